package study_test

import (
	"strings"
	"testing"

	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/study"
	"github.com/moezoo/moezoo/train"
)

// TestPlansCountTheEvaluationsThatRunsMake holds the evaluations of a plan against those that a
// run makes, whose last is behind the last step, and hours against the operations of both.
func TestPlansCountTheEvaluationsThatRunsMake(t *testing.T) {
	for _, every := range []string{"4", "5", "30%"} {
		s := mustLoad(t, strings.Replace(tiny, "evaluate_every: 4", "evaluate_every: "+every, 1))
		text, err := s.Text(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		d := cpu.New(1)
		defer d.Close()
		o := study.PlanOptions{Device: d, Text: text, Out: t.TempDir(), Throughputs: []study.Throughput{{Name: "slow", FLOPS: 1e6}}}
		planned, err := s.Plan(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		targets := 0
		_, err = s.RunTask(t.Context(), &s.Tasks()[0], study.RunOptions{Out: o.Out, Device: d, Progress: func(p train.Progress) {
			if p.HeldOut != nil {
				targets += p.HeldOut.Targets
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		p := planned[0]
		if want := float64(targets) * float64(p.PerToken); targets == 0 || p.Evaluation != want || p.Hours["slow"] != (p.FLOPs+want)/1e6/3600 {
			t.Errorf("every %s: %v operations are planned for evaluation, want %v; %v hours", every, p.Evaluation, want, p.Hours)
		}
		o.Text = nil
		if planned, err = s.Plan(t.Context(), o); err != nil || planned[0].Evaluation != 0 || planned[0].State != "" {
			t.Errorf("without the text: %+v, %v", planned[0], err)
		}
	}
}
