package zoo

import (
	"fmt"

	"github.com/moezoo/moezoo/data"
)

// OpenPrepared opens the prepared folder that paths name, nil when they name texts. Prepared
// data stands alone: its sources were mixed when it was made.
func OpenPrepared(paths []string) (*data.Prepared, error) {
	for _, p := range paths {
		if !data.IsPrepared(p) {
			continue
		}
		if len(paths) > 1 {
			return nil, fmt.Errorf("%s: is prepared data, which cannot be joined with other texts; prepare all of them together", p)
		}
		return data.OpenPrepared(p)
	}
	return nil, nil
}

// Vocabulary is the value of a recipe's key vocabulary for a model that reads prepared data.
func Vocabulary(p *data.Prepared) string {
	if kind := p.Manifest.Tokenizer.Kind; kind != data.TokenizerFile {
		return kind
	}
	return fmt.Sprintf("{size: %d}", p.Tokenizer.Size())
}

// UsePrepared is the set of prepared data, whose tokenizer must be the model's. A model with a
// vocabulary of a mere size takes the data's tokenizer for its own.
func (m *Model) UsePrepared(p *data.Prepared) (*data.Set, error) {
	if err := m.UseTokenizer(p.Tokenizer); err != nil {
		return nil, fmt.Errorf("the data was prepared with another tokenizer than that of %s: %w; its recipe would say vocabulary: %s", m.Recipe.Name, err, Vocabulary(p))
	}
	return p.Set, nil
}
