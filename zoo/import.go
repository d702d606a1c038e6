package zoo

import (
	"context"
	"fmt"

	"github.com/moezoo/moezoo/blocks"
	"github.com/moezoo/moezoo/importer"
	"github.com/moezoo/moezoo/plugins"
)

// Imported says what an import made.
type Imported struct {
	*Model
	Type  string   // the model type of the folder
	Notes []string // what is worth knowing
}

// Import makes a run, of step 0, out of a folder as Hugging Face or state-spaces publish
// them. Weights are read tensor by tensor, so that never more than one of them is in memory.
// The run generates, evaluates and exports like any other; training goes on in a new one
// that begins with its weights. On a failure nothing remains at run.
func Import(ctx context.Context, folder, run string, h *plugins.Host) (*Imported, error) {
	f, err := importer.Open(folder)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	m, err := Build(ctx, f.Recipe, h)
	if err != nil {
		return nil, err
	}
	if m.Files, err = f.Companions(); err != nil {
		return nil, err
	}
	params, err := m.params()
	if err != nil {
		return nil, err
	}
	places, err := f.Weights(params)
	if err != nil {
		return nil, err
	}
	notes := f.Notes
	if _, err := m.Tokenizer(); err != nil {
		notes = append(notes, fmt.Sprintf("it can read no text: %v", err))
	}
	values := func(i int) ([]float32, error) { return f.Read(places, i) }
	return &Imported{m, f.Arch.Type, notes}, m.saveNew(ctx, run, params, values)
}

// params lists the model's parameters.
func (m *Model) params() ([]importer.Param, error) {
	b, err := m.Net.Build(blocks.Options{})
	if err != nil {
		return nil, err
	}
	out := make([]importer.Param, len(b.G.Params))
	for i, p := range b.G.Params {
		shape, _ := p.Value.Shape().Ints()
		out[i] = importer.Param{Name: p.Value.Name, Shape: shape}
	}
	return out, nil
}
