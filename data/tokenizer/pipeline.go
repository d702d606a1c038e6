package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// Pipeline is the tokenizer of a tokenizer.json: added tokens are cut out of the text, the
// rest is normalized, cut into words in stages, and encoded by byte pairs.
type Pipeline struct {
	raw           json.RawMessage
	end           string
	endID         int64 // of end, −1 for none
	added         *addedSet
	addedBehind   *addedSet // those that are looked for in the normalized text
	normalizers   []normalizer
	stages        []stage
	model         *model
	decoder       *decoder
	before, after []int64
	settle        settler // nil: nothing is settled before the end of a text
}

// ParseHuggingFace reads a tokenizer.json. end is the token between documents, empty for
// none. Models other than BPE, and parts that would change a text's ids and are not known,
// are errors.
func ParseHuggingFace(raw []byte, end string) (*Pipeline, error) {
	p := &Pipeline{raw: raw, end: end, endID: none}
	if err := p.read(); err != nil {
		return nil, fmt.Errorf("tokenizer.json: %w", err)
	}
	return p, nil
}

func (p *Pipeline) read() error {
	switch {
	case len(p.raw) > maxVocabBytes:
		return fmt.Errorf("%d bytes are over the limit of %d", len(p.raw), maxVocabBytes)
	case !utf8.Valid(p.raw):
		return errors.New("is not valid UTF-8")
	case !json.Valid(p.raw):
		return errors.New("is not valid JSON, or nested too deep")
	}
	f := readFields("", p.raw)
	for _, key := range []string{"version", "truncation", "padding"} { // of batches, not of texts
		take(f, key, json.RawMessage(nil))
	}
	added := take(f, "added_tokens", []json.RawMessage(nil))
	parts := map[string]json.RawMessage{}
	for _, key := range []string{"normalizer", "pre_tokenizer", "model", "post_processor", "decoder"} {
		parts[key] = take(f, key, json.RawMessage(nil))
	}
	if f.err == nil && isNull(parts["model"]) {
		f.err = errors.New("model is missing")
	}
	err := f.done()
	if err != nil {
		return err
	}
	if p.normalizers, err = readNormalizers("normalizer", parts["normalizer"], 0); err != nil {
		return err
	}
	byteLevel := false
	if p.stages, byteLevel, err = readStages("pre_tokenizer", parts["pre_tokenizer"], false, 0); err != nil {
		return err
	}
	if p.model, err = readModel(parts["model"], byteLevel); err != nil {
		return err
	}
	if err := p.readAdded(added); err != nil {
		return err
	}
	if p.decoder, err = readDecoder(parts["decoder"], p.model.contents); err != nil {
		return err
	}
	if err := p.readFrame(parts["post_processor"], 0); err != nil {
		return err
	}
	p.model.ids, p.model.blanks = nil, p.readBlanks()
	p.settle = p.settler()
	return nil
}

func (p *Pipeline) readAdded(raw []json.RawMessage) error {
	tokens, err := readAdded(raw, p.model)
	if err != nil {
		return err
	}
	var plain, behind []addedToken
	for _, t := range tokens {
		if t.normalized {
			behind = append(behind, t)
		} else {
			plain = append(plain, t)
		}
	}
	p.added = newAddedSet(plain, func(content string) string { return content })
	p.addedBehind = newAddedSet(behind, func(content string) string { return string(p.normalize([]byte(content))) })
	if p.end == "" {
		return nil
	}
	id, ok := p.model.ids[p.end]
	if !ok {
		return fmt.Errorf("there is no token %.80q to end a document", p.end)
	}
	p.endID = int64(id)
	return nil
}

func (p *Pipeline) normalize(text []byte) []byte {
	for _, n := range p.normalizers {
		text = n.apply(text)
	}
	return text
}

// encoding is the ids of a text on their way.
type encoding struct {
	*Pipeline
	*merger
	ids []int64
}

// Append appends the ids of text.
func (p *Pipeline) Append(ids []int64, text []byte) []int64 {
	e := encoding{p, p.model.merger(), ids}
	defer p.model.put(e.merger)
	e.text(text, true)
	return e.ids
}

// AppendSettled appends the ids of what is settled.
func (p *Pipeline) AppendSettled(ids []int64, text []byte) ([]int64, int) {
	if p.settle == nil {
		return ids, 0
	}
	e := encoding{p, p.model.merger(), ids}
	defer p.model.put(e.merger)
	return p.settle(&e, text)
}

// text encodes a whole text; first says that nothing is before it.
func (e *encoding) text(text []byte, first bool) {
	at, from := 0, 0
	for {
		h, ok := e.added.find(text, at, from)
		if !ok {
			break
		}
		e.part(text[min(from, h.from):h.from], first && from == 0)
		e.ids = append(e.ids, int64(h.token.id))
		at, from = h.end, h.to
	}
	e.part(text[from:], first && from == 0)
}

// part encodes what lies between added tokens.
func (e *encoding) part(text []byte, first bool) {
	if len(text) == 0 {
		return
	}
	e.normalized(e.normalize(text), first)
}

// normalized encodes a part after normalization.
func (e *encoding) normalized(text []byte, first bool) {
	at, from := 0, 0
	for {
		h, ok := e.addedBehind.find(text, at, from)
		if !ok {
			break
		}
		e.words(0, text[min(from, h.from):h.from], first && from == 0)
		e.ids = append(e.ids, int64(h.token.id))
		at, from = h.end, h.to
	}
	e.words(0, text[from:], first && from == 0)
}

// words encodes a piece by the stages from one on.
func (e *encoding) words(number int, piece []byte, first bool) {
	switch {
	case len(piece) == 0:
		return
	case number == len(e.stages):
		e.ids = e.model.append(e.merger, e.ids, piece)
		return
	}
	s := &e.stages[number]
	piece = s.enter(piece, first)
	s.cut(piece, false, func(from, to int) { e.words(number+1, piece[from:to], first && from == 0) })
}

// Decode is the text of ids; the end of a document is no text.
func (p *Pipeline) Decode(ids []int64) ([]byte, error) { return p.decoder.decode(ids, p.endID) }

// Size is the number of tokens.
func (p *Pipeline) Size() int { return len(p.decoder.texts) }

// Pad lets ids up to size stand for no text: models have a few more rows than there are
// tokens. A size below the number of tokens is an error.
func (p *Pipeline) Pad(size int) error {
	if size < len(p.model.contents) || size > maxVocabulary {
		return fmt.Errorf("tokenizer.json has %d tokens, the model %d", len(p.model.contents), size)
	}
	p.decoder.texts = append(p.decoder.texts, make([]string, size-len(p.decoder.texts))...)
	return nil
}

// EndOfText is the id of the token between documents.
func (p *Pipeline) EndOfText() (int64, bool) { return p.endID, p.endID >= 0 }

// Spec holds the file.
func (p *Pipeline) Spec() Spec {
	return Spec{Kind: "tokenizer.json", JSON: p.raw, End: p.end, Size: p.Size()}
}

// Frame is the tokens that the file puts before and behind a text that stands alone, such as
// the one that begins every document. Append adds neither.
func (p *Pipeline) Frame() (before, after []int64) { return p.before, p.after }
