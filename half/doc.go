// Package half converts between float32 and the two formats of sixteen bits: float16
// (IEEE 754 binary16, ten bits of fraction) and bfloat16 (the upper half of a float32,
// seven bits). Rounding is to nearest, ties to even; NaN stays NaN.
//
// Whole slices are the business of backend/cpu/kernel; this is the definition.
package half
