"""Turns a sound into a picture of its frequencies over time: log-mel power, so that what reads images reads sounds.

Done once by the host, since every trial would do it again. libsndfile reads WAV, AIFF, FLAC, OGG and MP3.
"""

from pathlib import Path

import numpy as np

from tasks.tables import TaskError

BANDS, FRAMES = 64, 128
LOWEST_HERTZ = 20.0
DECIBELS = 80.0      # below the loudest that still show
MOST_SECONDS = 120   # of a sound that are listened to
SUFFIX = ".spectrogram.png"  # of the pictures: the kit knows them by it


def spectrogram(source: Path, target: Path) -> None:
    """Write a grey PNG, BANDS high (evenly spaced on the mel scale, low below) and FRAMES wide (the whole sound).

    White is the loudest point; how loud that is (decibels) and how long the sound is (seconds) stand in its text
    `sound`.
    """
    from PIL import Image, PngImagePlugin

    rate, samples = read(source)
    picture, peak = _picture(rate, samples)
    told = PngImagePlugin.PngInfo()
    told.add_text("sound", f"{peak:.2f} {len(samples) / rate:.3f}")
    Image.fromarray(picture).save(target, pnginfo=told)


def read(path: Path) -> tuple[int, np.ndarray]:
    """Samples a second, and the mean of all channels, (n,) float64 in -1..1. TaskError where it is no sound."""
    import soundfile

    try:
        with soundfile.SoundFile(path) as sound:
            samples = sound.read(frames=MOST_SECONDS * sound.samplerate, dtype="float64", always_2d=True)
            rate = sound.samplerate
    except (soundfile.SoundFileError, RuntimeError) as error:
        raise TaskError(f"{path.name} cannot be read as a sound: {error}") from error
    return int(rate), samples.mean(axis=1) if len(samples) else np.zeros(1)


def _picture(rate: int, samples: np.ndarray) -> tuple[np.ndarray, float]:
    """(BANDS, FRAMES) uint8, and the decibels of white."""
    from scipy import signal

    longest = min(len(samples) / 8, rate * 0.09)  # an eighth of the sound, or 64 ms to the nearest power of two
    window = 1 << int(np.clip(np.log2(max(longest, 64)), 6, 11))
    padded = np.pad(samples, (0, max(0, window - len(samples))))
    hertz, _, power = signal.spectrogram(padded, rate, nperseg=window, noverlap=window * 3 // 4)
    loud = 10 * np.log10(_frames(_bands(hertz, power)) + 1e-14)
    peak = float(loud.max())
    return (255 * ((loud - peak + DECIBELS) / DECIBELS).clip(0, 1)).astype(np.uint8)[::-1], peak


def _bands(hertz: np.ndarray, power: np.ndarray) -> np.ndarray:
    """Power in BANDS bands: triangles whose corners are evenly spaced on the mel scale."""
    mel = 2595 * np.log10(1 + hertz / 700)
    corners = np.linspace(2595 * np.log10(1 + LOWEST_HERTZ / 700), mel[-1], BANDS + 2)
    width = np.maximum(corners[1] - corners[0], np.diff(mel).max())  # low bands are no narrower than the resolution
    weights = np.maximum(0, 1 - np.abs(mel[None, :] - corners[1:-1, None]) / width)
    return weights @ power / np.maximum(weights.sum(axis=1, keepdims=True), 1e-9)


def _frames(bands: np.ndarray) -> np.ndarray:
    """The mean over FRAMES equal parts of the time, interpolated where there are fewer."""
    parts = np.linspace(0, bands.shape[1], FRAMES + 1)
    whole = np.concatenate([np.zeros((len(bands), 1)), np.cumsum(bands, axis=1)], axis=1)
    at = np.stack([np.interp(parts, np.arange(whole.shape[1]), row) for row in whole])
    return np.maximum(np.diff(at, axis=1), 0) / np.diff(parts)
