package half

import "math"

// ToBFloat16 rounds to bfloat16. Values beyond its range, which is that of float32, become
// infinite.
func ToBFloat16(x float32) uint16 {
	b := math.Float32bits(x)
	if x != x {
		return uint16(b>>16) | 0x40 // keep it a NaN when the low half held its only bits
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

// FromBFloat16 is exact.
func FromBFloat16(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }

// ToFloat16 rounds to float16. Values from 65520 on become infinite, those below 2⁻²⁴
// lose bits and then vanish.
func ToFloat16(x float32) uint16 {
	b := math.Float32bits(x)
	sign, exponent, fraction := uint16(b>>16)&0x8000, int(b>>23)&0xff, b&0x7fffff
	switch {
	case exponent == 0xff && fraction != 0:
		return sign | 0x7e00
	case exponent-112 >= 31:
		return sign | 0x7c00
	case exponent-112 <= 0: // subnormal
		shift := uint(126 - exponent)
		if shift > 24 {
			return sign
		}
		return sign | uint16(roundBits(fraction|0x800000, shift))
	}
	return sign | uint16(uint32(exponent-112)<<10+roundBits(fraction, 13))
}

// roundBits is v / 2^shift to nearest, ties to even.
func roundBits(v uint32, shift uint) uint32 {
	q, rest, tie := v>>shift, v&(1<<shift-1), uint32(1)<<(shift-1)
	if rest > tie || rest == tie && q&1 == 1 {
		q++
	}
	return q
}

// FromFloat16 is exact.
func FromFloat16(h uint16) float32 {
	sign, exponent, fraction := uint32(h>>15)<<31, uint32(h>>10)&31, uint32(h)&1023
	switch exponent {
	case 0:
		return math.Float32frombits(sign | math.Float32bits(float32(fraction)/(1<<24)))
	case 31:
		return math.Float32frombits(sign | 0xff<<23 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+112)<<23 | fraction<<13)
}
