// Package metrics writes what a run records: JSON lines, and event files for TensorBoard.
package metrics
