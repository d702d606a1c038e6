// Package conformance is the suite of operator cases that every backend is run against:
// each fused operator with a lowering, at several sizes, must give what the evaluator makes
// of the lowering, and its gradient must match central differences.
//
// A backend's own test calls Run with its device.
package conformance
