package zoo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/blocks"
	"github.com/moezoo/moezoo/data"
	"github.com/moezoo/moezoo/data/tokenizer"
	"github.com/moezoo/moezoo/graph/narrow"
	"github.com/moezoo/moezoo/importer"
	"github.com/moezoo/moezoo/plugins"
	"github.com/moezoo/moezoo/safetensors"
	"github.com/moezoo/moezoo/train"
	"github.com/moezoo/moezoo/train/checkpoint"
	"github.com/moezoo/moezoo/zoo/recipe"
)

// Trained is a model with its weights, loaded from a run. It needs no plugins.
type Trained struct {
	*Model
	Dir    string
	Step   int
	Note   string // why an older checkpoint was taken, empty when the latest was
	device backend.Device
	// Weights are the parameters. What decodes, evaluates and exports takes them as they are.
	Weights *Weights
}

// Open loads the latest good checkpoint of a run, or the one whose folder it is given.
func Open(dir string, d backend.Device) (*Trained, error) { return OpenAs(dir, narrow.Float32, d) }

// OpenAs is Open with weights of another kind. Everything then works with the rounded
// weights: decoding, evaluation, and exports.
func OpenAs(dir string, kind narrow.Kind, d backend.Device) (*Trained, error) {
	c, err := checkpoint.Find(dir)
	if err != nil {
		return nil, err
	}
	m, err := openModel(c)
	if err != nil {
		return nil, err
	}
	t := &Trained{Model: m, Dir: dir, Step: c.Step, Note: c.Note, device: d}
	return t, t.load(c, kind)
}

// OpenModel is the model of a run, or of one of its checkpoints, without its weights, with
// settings KEY=VALUE of its recipe changed. It needs no plugins: a change that asks for
// another function than the run holds is an error.
func OpenModel(dir string, settings ...string) (*Model, error) {
	c, err := checkpoint.Find(dir)
	if err != nil {
		return nil, err
	}
	return openModel(c, settings...)
}

func openModel(c *checkpoint.Checkpoint, settings ...string) (*Model, error) {
	raw, err := c.Read(RecipeFile)
	if err != nil {
		return nil, err
	}
	r, err := recipe.Parse(c.Dir+"/"+RecipeFile, raw, nil)
	if err == nil && len(settings) > 0 {
		r, _, err = r.With(settings)
	}
	if err != nil {
		return nil, err
	}
	if raw, err = c.Read(FunctionsFile); err != nil {
		return nil, err
	}
	var functions []plugins.Stored
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&functions); err != nil {
		return nil, &checkpoint.Error{Path: c.Dir + "/" + FunctionsFile, Err: err}
	}
	m, err := Restore(r, functions)
	if err != nil {
		return nil, &checkpoint.Error{Path: c.Dir, Err: err}
	}
	if slices.Contains(c.Files(), LockFile) {
		if m.Lock, err = c.Read(LockFile); err != nil {
			return nil, err
		}
	}
	return m, m.readFiles(c)
}

// readFiles reads what came with an imported model, or with prepared data.
func (m *Model) readFiles(c *checkpoint.Checkpoint) error {
	there := c.Files()
	if !slices.Contains(there, importer.OriginFile) && !slices.Contains(there, data.TokenizerFile) {
		return nil
	}
	m.Files = map[string][]byte{}
	for _, name := range append([]string{importer.OriginFile}, importer.Companions...) {
		if !slices.Contains(there, name) {
			continue
		}
		raw, err := c.Read(name)
		if err != nil {
			return err
		}
		m.Files[name] = raw
	}
	return nil
}

// load reads the weights onto the device.
func (t *Trained) load(c *checkpoint.Checkpoint, kind narrow.Kind) error {
	b, err := t.Net.Build(blocks.Options{})
	if err != nil {
		return err
	}
	if t.Weights, err = NewWeights(t.Net, kind, t.device); err != nil {
		return err
	}
	var names []string
	shapes := map[string][]int{}
	for _, p := range b.G.Params {
		name := p.Value.Name
		shapes[name], _ = p.Value.Shape().Ints()
		names = append(names, name)
	}
	path, err := c.Path(train.ModelFile)
	if err != nil {
		return err
	}
	f, err := safetensors.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return train.Restore(f, path, names, func(name string) []int { return shapes[name] }, t.Weights.Put)
}

// Weight is a copy of a parameter's data as it is stored, nil when there is none of that
// name.
func (t *Trained) Weight(name string) *backend.Tensor { return t.Weights.tensor(name) }

// Evaluate measures the loss on the held-out part of a set.
func (t *Trained) Evaluate(ctx context.Context, set *data.Set) (*train.Evaluation, error) {
	task, err := t.Task()
	if err != nil {
		return nil, err
	}
	if t.Weights.Kind.Narrow() {
		task.Eval.Output(task.Entropy)
		if task.Eval, err = t.Weights.Graph(task.Eval); err != nil {
			return nil, err
		}
		task.Entropy = task.Eval.Outputs[0]
	}
	sizes, _, _ := Settings(t.Recipe)
	e, err := train.NewEvaluator(task, sizes, t.device, t.Weights.Buffer, nil)
	if err != nil {
		return nil, err
	}
	defer e.Close()
	return e.Measure(ctx, set)
}

// Decoder prepares the model to run token by token. A model whose routers look at later
// tokens has no such form: that is an error.
func (t *Trained) Decoder(batch int) (*Decoder, error) {
	if router, err := t.LooksAhead(context.Background()); err != nil {
		return nil, err
	} else if router != "" {
		return nil, fmt.Errorf("%s does not run token by token: router %s looks at later tokens", t.Recipe.Name, router)
	}
	return NewDecoder(t.Net, batch, t.device, t.Weights)
}

// Stepper predicts: it takes the next tokens and answers the logits behind the last.
type Stepper interface {
	Feed(ctx context.Context, tokens []int64) ([]float32, error)
}

// GenerateOptions say what to write.
type GenerateOptions struct {
	Sampling
	Prompt    []byte
	MaxTokens int
	Stop      [][]byte // generation ends before any of these texts
}

// Generated is what was written.
type Generated struct {
	Tokens   []int64   `json:"tokens"`
	LogProbs []float64 `json:"log_probs"`
	Text     string    `json:"text"`
	// Finish is why it ended: "length", "stop" or "end" of the document.
	Finish string `json:"finish"`
}

// Generate continues a prompt, writing text to out as it comes.
func Generate(ctx context.Context, s Stepper, t tokenizer.Tokenizer, o GenerateOptions, out io.Writer) (*Generated, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	ids := t.Append(tokenizer.Before(t), o.Prompt)
	end, hasEnd := t.EndOfText()
	if len(ids) == 0 {
		if !hasEnd {
			return nil, fmt.Errorf("the prompt is empty")
		}
		ids = append(ids, end) // the beginning of a document
	}
	logits, err := s.Feed(ctx, ids)
	if err != nil {
		return nil, err
	}
	g := &Generated{Finish: "length"}
	w, last := &streamer{out: out, stop: o.Stop}, ids[len(ids)-1]
	sample := newSampler(o.Sampling)
	for len(g.Tokens) < o.MaxTokens {
		id, logProb := sample.next(logits)
		if hasEnd && id == end {
			g.Finish = "end"
			break
		}
		g.Tokens, g.LogProbs = append(g.Tokens, id), append(g.LogProbs, logProb)
		piece, err := tokenizer.DecodeNext(t, last, id)
		last = id
		if err != nil {
			return nil, err
		}
		if stopped, err := w.write(piece); err != nil || stopped {
			g.Finish = "stop"
			if err != nil {
				return nil, err
			}
			break
		}
		if len(g.Tokens) == o.MaxTokens {
			break
		}
		if logits, err = s.Feed(ctx, []int64{id}); err != nil {
			return nil, err
		}
	}
	err = w.flush()
	g.Text = string(w.all)
	return g, err
}
