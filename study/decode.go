package study

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/bench"
)

// decodeRepeats is how many tokens are decoded at each context.
const decodeRepeats = 31

// DecodingFile is where the measurement of a model lies, relative to the study's folder.
func (s *Study) DecodingFile(m *Model) string {
	return filepath.Join("inference", fmt.Sprintf("%s-%.8s.json", m.Name, m.Recipe.Hash()))
}

// MeasureDecoding measures what decoding a token costs each model at the study's contexts, one
// after another and with every processor, unless that was measured before. Models that do not
// run token by token are left out, and told to log.
func (s *Study) MeasureDecoding(ctx context.Context, out string, d *cpu.Device, log func(string)) error {
	if len(s.Contexts) == 0 {
		return nil
	}
	var contexts []int
	for _, c := range s.Contexts {
		contexts = append(contexts, int(c))
	}
	slices.Sort(contexts)
	for i := range s.Models {
		path := filepath.Join(out, s.DecodingFile(&s.Models[i]))
		if _, err := os.Stat(path); err == nil {
			continue
		}
		if err := s.measure(ctx, &s.Models[i], contexts, path, d, log); err != nil {
			return err
		}
	}
	return nil
}

func (s *Study) measure(ctx context.Context, m *Model, contexts []int, path string, d *cpu.Device, log func(string)) error {
	built, err := s.build(ctx, m.Recipe)
	if err != nil {
		return err
	}
	if router, err := built.LooksAhead(ctx); err != nil {
		return err
	} else if router != "" {
		log(fmt.Sprintf("%s: router %s looks at later tokens: the model does not run token by token", m.Name, router))
		return nil
	}
	measured, err := bench.Contexts(ctx, built, d, contexts, decodeRepeats)
	if err != nil {
		return fmt.Errorf("decoding with %s: %w", m.Name, err)
	}
	measured.Model = m.Name
	return writeJSON(path, measured)
}

// writeJSON writes a file whole or not at all.
func writeJSON(path string, v any) error {
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	temp := fmt.Sprintf("%s.%d", path, os.Getpid())
	defer os.Remove(temp)
	if err := os.WriteFile(temp, append(raw, '\n'), 0o666); err != nil {
		return err
	}
	return os.Rename(temp, path)
}
