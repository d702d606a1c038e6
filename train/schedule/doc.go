// Package schedule holds learning-rate schedules: pure functions of the step.
package schedule
