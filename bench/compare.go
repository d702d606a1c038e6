package bench

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
)

// maxReport bounds a report that is read.
const maxReport = 16 << 20

// ReadReport reads what was written as JSON.
func ReadReport(path string) (*Report, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxReport {
		return nil, fmt.Errorf("%s: is no report: want a file of at most %d MiB", path, maxReport>>20)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var r Report
	if err := json.Unmarshal(raw, &r); err != nil {
		return nil, fmt.Errorf("%s: is no report: %w", path, err)
	}
	if len(r.Rows)+len(r.Operators) == 0 {
		return nil, fmt.Errorf("%s: is no report: it has no rows", path)
	}
	return &r, nil
}

// Ratio compares a row with that of the same name in an earlier report.
type Ratio struct {
	Name   string  `json:"name"`
	Faster float64 `json:"faster"` // the earlier median time over the present one
	// Clear says that the ranges from best to worst do not touch, so that chance is no
	// explanation.
	Clear bool `json:"clear"`
}

// Compare lists the rows that both reports have.
func Compare(now, before *Report) []Ratio {
	var out []Ratio
	for _, r := range slices.Concat(now.Rows, now.Operators) {
		for _, old := range slices.Concat(before.Rows, before.Operators) {
			if r.Name == old.Name && r.Median > 0 {
				out = append(out, Ratio{Name: r.Name, Faster: old.Median / r.Median, Clear: r.Best > old.Worst || r.Worst < old.Best})
			}
		}
	}
	return out
}
