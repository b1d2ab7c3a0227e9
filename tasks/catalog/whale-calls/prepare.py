"""Builds whale-calls: clips of noise, with or without an upward call, made from a seed; a random quarter to be judged."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.io import wavfile
from scipy.signal import chirp, lfilter

from tasks import splitting

RATE, SECONDS, CLIPS = 2000, 2.0, 2400


def prepare(raw: Path, public: Path, private: Path) -> None:
    """Write the competition's files and public/clips, under names that say nothing."""
    rng = np.random.default_rng(50)
    call = rng.permutation(CLIPS) % 2
    (public / "clips").mkdir()
    names = [f"clip_{number:05d}.wav" for number in range(CLIPS)]
    for name, there in zip(names, call, strict=True):
        wavfile.write(public / "clips" / name, RATE, _clip(bool(there), rng))
    frame = pd.DataFrame({"clip": names, "call": call})
    split = splitting.random_split(frame, test_share=0.25, seed=50, stratify="call")
    splitting.write_competition(split, public, private, seed=50)


def _clip(call: bool, rng: np.random.Generator) -> np.ndarray:
    """int16 samples: reddish noise and a hum; an upward call, or in half of the other clips a downward one."""
    size = int(RATE * SECONDS)
    sound = lfilter([1.0], [1.0, -rng.uniform(0.5, 0.9)], rng.normal(size=size))
    sound = sound / sound.std() + rng.uniform(0, 0.5) * np.sin(2 * np.pi * rng.uniform(40, 400) * np.arange(size) / RATE)
    if call or rng.random() < 0.5:
        tone = _call(upward=call, rng=rng)
        start = rng.integers(size - len(tone))
        sound[start : start + len(tone)] += rng.uniform(0.25, 0.9) * tone
    return (sound / np.abs(sound).max() * 30_000).astype(np.int16)


def _call(*, upward: bool, rng: np.random.Generator) -> np.ndarray:
    """A tone of 0.6 to 1.2 seconds that glides between about 100 and 250 hertz."""
    seconds = rng.uniform(0.6, 1.2)
    low, high = rng.uniform(70, 130), rng.uniform(180, 300)
    moments = np.arange(int(seconds * RATE)) / RATE
    begin, end = (low, high) if upward else (high, low)
    return chirp(moments, begin, seconds, end, method="quadratic") * np.hanning(len(moments))
