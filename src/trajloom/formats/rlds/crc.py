"""CRC-32C (Castagnoli), as TFRecord files carry it: in NumPy, so that no library is needed."""

import numpy as np

from trajloom.tables import Array

_POLYNOMIAL = 0x82F63B78
_MASK = 0xA282EAD8
_LANE_BYTES = 64
"""Records are cut into pieces of at least this, which are gone through side by side."""
_MAX_LANES = 1 << 13
_PIECE_BYTES = 4 << 20
"""Bytes gone through at a time: a record may be larger than memory."""


def _table() -> Array:
    values = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        values = np.where(values & 1, (values >> 1) ^ np.uint32(_POLYNOMIAL), values >> 1).astype(np.uint32)
    return values


_TABLE = _table()
_PLAIN = _TABLE.tolist()
_BITS = np.arange(32, dtype=np.uint32)


def masked(data: bytes | memoryview) -> int:
    """The checksum of bytes as TFRecord writes it: rotated and offset."""
    crc = crc32c(data)
    return (((crc >> 15) | (crc << 17)) + _MASK) & 0xFFFFFFFF


def crc32c(data: bytes | memoryview) -> int:
    """The checksum of bytes."""
    state, view = 0xFFFFFFFF, memoryview(data)
    for start in range(0, len(view), _PIECE_BYTES):
        state = _advanced(state, view[start : start + _PIECE_BYTES])
    return state ^ 0xFFFFFFFF


def _advanced(state: int, data: memoryview) -> int:
    """The register after some data."""
    if len(data) >= 16 * _LANE_BYTES:
        return int(_in_lanes(state, data))
    for byte in data:
        state = _PLAIN[(state ^ byte) & 0xFF] ^ (state >> 8)
    return state


def _in_lanes(before: int, data: memoryview) -> np.uint32:
    """The register after the data: each lane begins at zero, and is then shifted past the lanes after it.

    Leading zeros do not change a register of zero; what the register was before is data, added to the first bytes.
    """
    lanes = min(_MAX_LANES, 1 << (len(data) // _LANE_BYTES).bit_length() - 1)
    size = -(-len(data) // lanes)
    padded = np.zeros(lanes * size, dtype=np.uint8)
    first = len(padded) - len(data)
    padded[first:] = np.frombuffer(data, dtype=np.uint8)
    padded[first : first + 4] ^= np.frombuffer(before.to_bytes(4, "little"), dtype=np.uint8)
    state = np.zeros(lanes, dtype=np.uint32)
    for column in np.ascontiguousarray(padded.reshape(lanes, size).T):
        state = _TABLE[(state ^ column) & 0xFF] ^ (state >> 8)
    shift = _shift(size)
    while len(state) > 1:
        state = _apply(shift, state[0::2]) ^ state[1::2]
        shift = _apply(shift, shift)
    return state[0]


def _shift(size: int) -> Array:
    """What `size` bytes of zero make of each bit of a register, (32,)."""
    bits = np.uint32(1) << _BITS
    step = _TABLE[bits & 0xFF] ^ (bits >> 8)
    result = bits
    while size:
        if size & 1:
            result = _apply(step, result)
        step = _apply(step, step)
        size >>= 1
    return result


def _apply(shift: Array, states: Array) -> Array:
    chosen = np.where((states[:, None] >> _BITS) & 1, shift, np.uint32(0))
    return np.bitwise_xor.reduce(chosen, axis=1).astype(np.uint32)
