package study

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/bench"
	"github.com/moezoo/moezoo/internal/whole"
	"github.com/moezoo/moezoo/zoo"
)

// decodeRepeats is how many tokens are decoded at each context.
const decodeRepeats = 31

// decodingFile is where the measurement with the weights of a run lies, relative to the study's
// folder.
func decodingFile(run string) string { return filepath.Join("inference", filepath.Base(run)+".json") }

// DecodingFiles are the files with measurements of decoding, which need not be there yet,
// relative to the study's folder.
func (s *Study) DecodingFiles(out, dataHash string) ([]string, error) {
	var files []string
	for _, t := range s.decoded() {
		dir, _, err := s.Folder(&t, out, dataHash)
		if errors.Is(err, ErrNoRate) {
			continue
		}
		if err != nil {
			return nil, err
		}
		files = append(files, decodingFile(dir))
	}
	return files, nil
}

// decoded are the tasks whose weights decoding is measured with: the first of each model, when
// the study has contexts.
func (s *Study) decoded() []Task {
	if len(s.Contexts) == 0 {
		return nil
	}
	return s.Tasks()[:len(s.Models)]
}

// MeasureDecoding measures what decoding a token costs each model at the study's contexts, with
// the weights that its first run ended with, one model after another and with every processor,
// unless that was measured before. All runs must be finished, so that none disturbs. Models that
// do not run token by token are left out, and told to log.
func (s *Study) MeasureDecoding(ctx context.Context, out string, d *cpu.Device, log func(string)) error {
	tasks := s.decoded()
	if len(tasks) == 0 {
		return nil
	}
	texts, err := s.source()
	if err != nil {
		return err
	}
	hash, err := texts.hash(ctx)
	if err != nil {
		return err
	}
	for i := range tasks {
		dir, _, err := s.Folder(&tasks[i], out, hash)
		if err != nil {
			return err
		}
		path := filepath.Join(out, decodingFile(dir))
		if _, err := os.Stat(path); err == nil {
			continue
		}
		measured, err := s.measure(ctx, dir, texts, d, log)
		if err != nil {
			return fmt.Errorf("decoding with %s: %w", dir, err)
		}
		if measured == nil {
			continue
		}
		measured.Model, measured.Weights = tasks[i].Model.Name, filepath.Base(dir)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			return err
		}
		if err := whole.WriteJSON(path, measured); err != nil {
			return err
		}
	}
	return nil
}

// measure measures decoding with the weights of a run, nil where its model does not decode.
func (s *Study) measure(ctx context.Context, dir string, texts *source, d *cpu.Device, log func(string)) (*bench.Decoding, error) {
	m, err := zoo.Open(dir, d)
	if err != nil {
		return nil, err
	}
	if router, err := m.LooksAhead(ctx); err != nil {
		return nil, err
	} else if router != "" {
		log(fmt.Sprintf("%s: router %s looks at later tokens: the model does not run token by token", filepath.Base(dir), router))
		return nil, nil
	}
	set, err := texts.set(ctx, m.Model)
	if err != nil {
		return nil, err
	}
	text := set.Held
	if text.Len() == 0 {
		text = set.Train
	}
	dec, err := m.Decoder(1)
	if err != nil {
		return nil, err
	}
	defer dec.Close()
	contexts := make([]int, len(s.Contexts))
	for i, c := range s.Contexts {
		contexts[i] = int(c)
	}
	slices.Sort(contexts)
	return bench.Contexts(ctx, m.Model, dec, text, d, contexts, decodeRepeats)
}
