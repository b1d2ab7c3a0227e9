"""Turns a sound into a small picture of its frequencies over time, so that what reads images reads sounds.

WAV is read by SciPy, AIFF (which no installed library reads) here: uncompressed samples of 8 to 32 bits.
"""

import struct
import warnings
from pathlib import Path

import numpy as np

from tasks.tables import TaskError

SIDE = 64            # bands and frames
LOWEST_HERTZ = 20.0
DECIBELS = 80.0      # below the loudest that still show


def spectrogram(source: Path, target: Path) -> None:
    """Write a SIDE x SIDE grey PNG: bands evenly spaced on the mel scale, low below, frames over the whole sound."""
    from PIL import Image

    rate, samples = read(source)
    Image.fromarray(_picture(rate, samples)).save(target)


def read(path: Path) -> tuple[int, np.ndarray]:
    """Samples a second, and the samples of the mean of all channels, (n,) float64. TaskError where it is no sound."""
    from scipy.io import wavfile

    try:
        if path.read_bytes()[:4] == b"FORM":
            return _aiff(path.read_bytes())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", wavfile.WavFileWarning)  # chunks with remarks, which nobody needs
            rate, samples = wavfile.read(path)
    except (ValueError, struct.error, EOFError, KeyError) as error:
        raise TaskError(f"{path.name} cannot be read as a sound: {error}") from error
    samples = samples.astype(np.float64)
    return int(rate), samples.mean(axis=1) if samples.ndim > 1 else samples


def _aiff(data: bytes) -> tuple[int, np.ndarray]:
    """Source of the format: Apple, Audio Interchange File Format 1.3 (chunks COMM and SSND, big-endian)."""
    chunks, place = {}, 12
    while place + 8 <= len(data):
        name, size = struct.unpack(">4sI", data[place:place + 8])
        chunks[name] = data[place + 8:place + 8 + size]
        place += 8 + size + size % 2
    channels, _, bits = struct.unpack(">hIh", chunks[b"COMM"][:8])
    exponent, mantissa = struct.unpack(">HQ", chunks[b"COMM"][8:18])
    rate = mantissa * 2.0 ** (exponent - 16383 - 63)
    offset = struct.unpack(">I", chunks[b"SSND"][:4])[0]
    raw = chunks[b"SSND"][8 + offset:]
    if bits == 24:
        wide = np.frombuffer(raw[:len(raw) // 3 * 3], dtype=np.uint8).reshape(-1, 3)
        values = (wide[:, 0].astype(np.int8).astype(np.int32) << 16) | (wide[:, 1].astype(np.int32) << 8) | wide[:, 2]
    else:
        width = {8: "i1", 16: ">i2", 32: ">i4"}[bits]
        values = np.frombuffer(raw[:len(raw) // (bits // 8) * (bits // 8)], dtype=width)
    samples = values[:len(values) // channels * channels].reshape(-1, channels).astype(np.float64)
    return round(rate), samples.mean(axis=1)


def _picture(rate: int, samples: np.ndarray) -> np.ndarray:
    """(SIDE, SIDE) uint8."""
    from scipy import signal

    window = int(min(1024, max(64, 2 ** np.floor(np.log2(max(len(samples), 64) / 8)))))
    padded = np.pad(samples, (0, max(0, window - len(samples))))
    hertz, _, power = signal.spectrogram(padded, rate, nperseg=window, noverlap=window // 2)
    loud = 10 * np.log10(_frames(_bands(hertz, power)) + 1e-12)
    shown = (loud - loud.max() + DECIBELS) / DECIBELS
    return (255 * shown.clip(0, 1)).astype(np.uint8)[::-1]


def _bands(hertz: np.ndarray, power: np.ndarray) -> np.ndarray:
    """Power in SIDE bands: triangles whose corners are evenly spaced on the mel scale."""
    mel = 2595 * np.log10(1 + hertz / 700)
    corners = np.linspace(2595 * np.log10(1 + LOWEST_HERTZ / 700), mel[-1], SIDE + 2)
    width = np.maximum(corners[1] - corners[0], np.diff(mel).max())  # low bands are no narrower than the resolution
    weights = np.maximum(0, 1 - np.abs(mel[None, :] - corners[1:-1, None]) / width)
    return weights @ power / np.maximum(weights.sum(axis=1, keepdims=True), 1e-9)


def _frames(bands: np.ndarray) -> np.ndarray:
    """The mean over SIDE equal parts of the time, interpolated where there are fewer."""
    parts = np.linspace(0, bands.shape[1], SIDE + 1)
    whole = np.concatenate([np.zeros((len(bands), 1)), np.cumsum(bands, axis=1)], axis=1)
    at = np.stack([np.interp(parts, np.arange(whole.shape[1]), row) for row in whole])
    return np.diff(at, axis=1) / np.diff(parts)
