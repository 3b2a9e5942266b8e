"""Make up a language of ten words, and say them: sounds as log energies of 10 bands in 40 frames.

There are no recordings here. A word is three syllables, each a glide of two formants over a voice of its
own pitch; a speaker changes pitch, pace, formants and loudness, and noise is added.
"""

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np

RATE, FRAMES, BANDS, WORDS = 8000, 40, 10, 10
HOP = RATE // FRAMES  # a second in 40 frames
EDGES = 200 * (3600 / 200) ** (np.arange(BANDS + 1) / BANDS)  # Hz, as the ear hears them


def words(rng: np.random.Generator) -> np.ndarray:
    """Of each word and syllable, where its two formants start and end, in Hz: [WORDS, 3, 2, 2]."""
    low, high = rng.uniform(300, 900, (WORDS, 3, 1, 2)), rng.uniform(1000, 3200, (WORDS, 3, 1, 2))
    return np.concatenate([low, high], axis=2)


def say(word: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One second of a word by somebody, [RATE]."""
    pitch, pace, size = rng.uniform(90, 240), rng.uniform(0.8, 1.2), rng.uniform(0.92, 1.09)
    length = int(0.2 * RATE * pace)
    sound = np.zeros(RATE)
    at = rng.integers(0, RATE - 3 * length)
    for syllable in word:
        along = np.linspace(0, 1, length)
        voiced = np.zeros(length)
        formants = size * (syllable[:, :1] + (syllable[:, 1:] - syllable[:, :1]) * along)
        for harmonic in np.arange(pitch, 3600, pitch):
            loud = np.exp(-0.5 * ((harmonic - formants) / (80 + 0.06 * formants)) ** 2).sum(0)
            voiced += loud * np.sin(2 * np.pi * harmonic / RATE * np.arange(length))
        sound[at : at + length] = voiced * np.sin(np.pi * along) ** 0.5
        at += length
    return sound * rng.uniform(0.3, 1.5) + rng.normal(0, rng.uniform(0.02, 0.4), RATE)


def heard(sound: np.ndarray) -> np.ndarray:
    """Log energies of the bands of each frame, u8, [FRAMES, BANDS]."""
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(sound, HOP // 2), 2 * HOP)[::HOP]
    power = np.abs(np.fft.rfft(windows[:FRAMES] * np.hanning(2 * HOP))) ** 2
    bins = np.fft.rfftfreq(2 * HOP, 1 / RATE)
    bands = [(bins >= low) & (bins < high) for low, high in pairwise(EDGES)]
    energy = np.stack([power[:, band].sum(1) for band in bands])
    return np.clip(20 * np.log(1 + energy.T), 0, 255).astype(np.uint8)


if __name__ == "__main__":
    count, path = int(sys.argv[1]), Path(sys.argv[2])
    rng = np.random.default_rng(0)
    language = words(rng)
    labels = rng.integers(0, WORDS, count)
    images = np.stack([heard(say(language[word], rng)) for word in labels])
    np.savez_compressed(path, images=images, labels=labels.astype(np.uint8))
    print(f"{count} sounds of {WORDS} words in {path}")
