package tokenizer

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// decoder makes a text of tokens. What it does to each token is done once for the whole
// vocabulary; what is left concerns the beginning and the end of a text.
type decoder struct {
	texts       []string // of the tokens
	blank       string   // a character that stands for a blank, but for none in the first token
	dropFirst   bool
	strip       byte // cut off from the text, if not 0
	left, right int  // as often as this
}

// decoding is a decoder on its way.
type decoding struct {
	*decoder
	steps []func(token string) string // on each token
	fused bool
}

// readDecoder reads a decoder for tokens of these contents.
func readDecoder(raw json.RawMessage, contents []string) (*decoder, error) {
	d := &decoding{decoder: &decoder{texts: make([]string, len(contents))}}
	if err := d.read(raw, 0); err != nil {
		return nil, err
	}
	for id, content := range contents {
		for _, step := range d.steps {
			content = step(content)
		}
		d.texts[id] = content
	}
	return d.decoder, nil
}

func (d *decoding) read(raw json.RawMessage, depth int) error {
	if isNull(raw) {
		return fmt.Errorf("decoder: none is unsupported: it would put blanks between tokens")
	}
	f := readFields("decoder", raw)
	kind := want[string](f, "type")
	if d.fused && kind != "Strip" && kind != "Sequence" {
		f.fail("%s behind Fuse is unsupported", kind)
	}
	switch kind {
	case "Sequence":
		for _, inner := range sequence(f, "decoders", depth) {
			if err := d.read(inner, depth+1); err != nil {
				return err
			}
		}
	case "ByteLevel":
		for _, key := range []string{"add_prefix_space", "trim_offsets", "use_regex"} {
			take(f, key, true)
		}
		d.steps = append(d.steps, spelledBytes)
	case "Replace":
		from, to := readString(f), want[string](f, "content")
		d.steps = append(d.steps, func(token string) string { return strings.ReplaceAll(token, from, to) })
	case "ByteFallback":
		d.steps = append(d.steps, fallbackByte)
	case "Fuse":
		d.fused = true
	case "Strip":
		d.readStrip(f)
	case "Metaspace":
		var s stage
		s.readMetaspace(f)
		if d.blank != "" {
			f.fail("Metaspace occurs twice")
		}
		d.blank, d.dropFirst, d.fused = s.meta, s.prefix != "", true
	default:
		f.fail("the type %.80q is unsupported, want ByteLevel, Replace, ByteFallback, Fuse, Strip, Metaspace or Sequence", kind)
	}
	return f.done()
}

func (d *decoding) readStrip(f *fields) {
	const most = 64
	content := want[string](f, "content")
	d.left, d.right = take(f, "start", 0), take(f, "stop", 0)
	if len(content) != 1 || d.left < 0 || d.right < 0 || d.left > most || d.right > most || !d.fused || d.strip != 0 {
		f.fail("Strip of %.20q, %d and %d times, is unsupported: want one ASCII character, once, behind Fuse, up to %d times", content, d.left, d.right, most)
		return
	}
	d.strip = content[0]
}

// spelledBytes is the bytes that a token spells, or the token when it does not spell bytes.
func spelledBytes(token string) string {
	if text, err := toBytes(token); err == nil {
		return text
	}
	return token
}

// fallbackByte is the byte that <0xNN> stands for.
func fallbackByte(token string) string {
	if len(token) == 6 && strings.HasPrefix(token, "<0x") && token[5] == '>' {
		if b, err := strconv.ParseUint(token[3:5], 16, 8); err == nil {
			return string([]byte{byte(b)})
		}
	}
	return token
}

// decode is the text of ids, without one that stands for no text, −1 for none.
func (d *decoder) decode(ids []int64, silent int64) ([]byte, error) {
	var out []byte
	for i, id := range ids {
		if id < 0 || id >= int64(len(d.texts)) {
			return nil, fmt.Errorf("token %d is outside of the vocabulary of %d", id, len(d.texts))
		}
		if id == silent {
			continue
		}
		text := d.texts[id]
		if d.blank != "" {
			to := " "
			if i == 0 && d.dropFirst {
				to = ""
			}
			text = strings.ReplaceAll(text, d.blank, to)
		}
		out = append(out, text...)
	}
	for n := 0; n < d.left && len(out) > 0 && out[0] == d.strip; n++ {
		out = out[1:]
	}
	for n := 0; n < d.right && len(out) > 0 && out[len(out)-1] == d.strip; n++ {
		out = out[:len(out)-1]
	}
	return out, nil
}
