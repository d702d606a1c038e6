package prepare

import "errors"

// trainTokenizer learns a vocabulary from the documents that are not held out.
func (p *preparation) trainTokenizer() error {
	return errors.New("no tokenizer is given")
}
