package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/spf13/cobra"
)

// longestPrompt bounds a prompt that comes through standard input.
const longestPrompt = 64 << 20

// promptsOf are the texts to continue, in order: those given, else each line of standard
// input as it comes, else all of it.
func promptsOf(c *cobra.Command, given []string, lines bool) (iter.Seq2[string, error], error) {
	switch {
	case lines && len(given) > 0:
		return nil, errors.New("--lines reads prompts from standard input; --prompt gives them: one of both")
	case lines:
		return readLines(c.InOrStdin()), nil
	case len(given) == 0:
		all, err := io.ReadAll(io.LimitReader(c.InOrStdin(), longestPrompt+1))
		if err == nil && len(all) > longestPrompt {
			err = fmt.Errorf("standard input: a prompt of more than %d MiB", longestPrompt>>20)
		}
		if err != nil {
			return nil, err
		}
		given = []string{string(all)}
	}
	return func(yield func(string, error) bool) {
		for _, p := range given {
			if !yield(p, nil) {
				return
			}
		}
	}, nil
}

// readLines are the lines of a stream without their ends.
func readLines(from io.Reader) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		lines := bufio.NewScanner(from)
		lines.Buffer(nil, longestPrompt)
		n := 0
		for lines.Scan() {
			n++
			if !yield(strings.TrimSuffix(lines.Text(), "\r"), nil) {
				return
			}
		}
		if err := lines.Err(); err != nil {
			yield("", fmt.Errorf("standard input, line %d: %w", n+1, err))
		}
	}
}
