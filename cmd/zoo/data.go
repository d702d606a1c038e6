package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/moezoo/moezoo/data"
	"github.com/moezoo/moezoo/data/prepare"
	"github.com/moezoo/moezoo/data/tokenizer"
	"github.com/moezoo/moezoo/zoo"
)

func dataCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "data", Short: "Prepare texts for training",
		Example: "  zoo data prepare books/ -o prepared\n  zoo data check prepared",
	}
	c.AddCommand(prepareCommand(), checkDataCommand())
	return group(c)
}

// preparing is what the flags of zoo data prepare say.
type preparing struct {
	prepare.Options
	tokenizer string
	size      int // of a vocabulary that is learned
	holdout   string
	weights   []string
	shard     byteSize
	json      bool
}

func prepareCommand() *cobra.Command {
	o := preparing{shard: prepare.DefaultShardSize}
	c := &cobra.Command{
		Use: "prepare SOURCE... -o DIR", Short: "Turn texts into tokens in files that training maps into memory",
		Long: `Turn texts into a folder that zoo train --data takes: token files, a manifest with checksums and statistics, and
the tokenizer if it is neither bytes nor gpt2. The folder appears whole or not at all. Interrupted, even by SIGKILL, the
same command goes on: token files that were whole are kept, when the documents are the same. The result depends neither on
that nor on --threads.

A source is a text file, a file of JSON lines (.jsonl, .ndjson), a .parquet file, a folder of such files, or - for
standard input; texts and JSON lines also with .gz. A text file is one document; every line of a .jsonl file is one,
and every row of a .parquet file, which may be compressed by snappy, gzip or zstd: the text in their --field. With
--field, .json files and standard input are JSON lines, too. Order and numbers depend on nothing but the sources.

--holdout holds documents out for evaluation: of a single text its end, of others whole documents chosen by their
hashes, so that equal ones are never on both sides. --dedup drops repeats of a document, here and in later sources; it
keeps 16 bytes for each in memory. --tokenizer train learns a byte-pair encoding of --vocab-size tokens from what is
not held out, and saves it as a tokenizer.json; it counts words in bounded memory, forgetting the rarest beyond
4 million. --weight SOURCE=SHARE lets that share of all training windows come from a
source, however large it is; sources without one share the rest by size.`,
		Example: `  zoo data prepare books/ -o prepared
  zoo data prepare stories.jsonl notes.txt -o prepared --tokenizer gpt2 --holdout 1% --dedup
  zoo data prepare books/ -o prepared --tokenizer train --vocab-size 4096
  zoo data prepare code/ books/ -o prepared --weight code/=0.7
  zcat more.jsonl.gz | zoo data prepare - -o prepared --field body`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.Sources, o.Stdin, o.Lines = args, c.InOrStdin(), c.Flags().Changed("field")
			return runPrepare(c, &o)
		},
	}
	f := c.Flags()
	f.StringVarP(&o.Out, "out", "o", "", "the folder to make")
	f.StringVar(&o.tokenizer, "tokenizer", "bytes", "bytes, gpt2, a tokenizer.json file, or train to learn one from the texts")
	f.IntVar(&o.size, "vocab-size", 0, "with --tokenizer train: how many tokens to learn, at most")
	f.StringVar(&o.Field, "field", prepare.DefaultField, "field of JSON lines and column of parquet files that holds the text; .json files and standard input are JSON lines when it is given")
	f.StringVar(&o.holdout, "holdout", fmt.Sprint(data.DefaultHoldout), "held out for evaluation: a fraction, or a percentage such as 1%")
	f.BoolVar(&o.Dedup, "dedup", false, "drop repeats of a document")
	f.Var(&o.shard, "shard-size", "size of a token file")
	f.StringArrayVar(&o.weights, "weight", nil, "SOURCE=SHARE: its share of the training windows, from 0 to 1")
	f.BoolVar(&o.json, "json", false, "for scripts: the manifest")
	completeFlag(c, "tokenizer", "bytes", "gpt2", "train")
	return c
}

func runPrepare(c *cobra.Command, o *preparing) (err error) {
	if o.Out == "" {
		return errors.New("prepare needs -o DIR, the folder to make")
	}
	if o.Holdout, err = parseShare(o.holdout); err != nil {
		return fmt.Errorf("--holdout %w", err)
	}
	if o.Weights, err = parseWeights(o.weights); err != nil {
		return err
	}
	o.ShardSize, o.Threads = int64(o.shard), global.threads
	if (o.tokenizer == "train") != (o.size != 0) {
		return errors.New("--tokenizer train and --vocab-size N go together")
	}
	switch o.tokenizer {
	case "train":
		o.Learn = o.size
	case "bytes":
		o.Tokenizer = tokenizer.Bytes{}
	case "gpt2":
		o.Tokenizer, err = tokenizer.GPT2()
	default:
		if !strings.HasSuffix(o.tokenizer, ".json") {
			return fmt.Errorf("--tokenizer %s: want bytes, gpt2, train, or the name of a tokenizer.json file", o.tokenizer)
		}
		o.Tokenizer, err = zoo.ReadTokenizer(o.tokenizer)
	}
	if err != nil {
		return err
	}
	bar := newDataBar(c.ErrOrStderr())
	defer bar.done()
	o.Progress = bar.show
	m, err := prepare.Prepare(c.Context(), o.Options)
	if err != nil {
		return err
	}
	bar.done()
	if o.json {
		return printJSON(c.OutOrStdout(), m)
	}
	printPrepared(c.OutOrStdout(), m, o.Out, o.Learn)
	return nil
}

func checkDataCommand() *cobra.Command {
	return &cobra.Command{
		Use: "check DIR", Short: "Hold every file of prepared data against its checksum",
		Long: `Read all files of a folder that zoo data prepare made, and compare them with the checksums in its manifest. Training
does the same with each token file before it first reads from it.`,
		Example: "  zoo data check prepared",
		Args:    exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			if !data.IsPrepared(args[0]) {
				return fmt.Errorf("%s: is no folder that zoo data prepare made", args[0])
			}
			p, err := data.OpenPrepared(args[0])
			if err != nil {
				return err
			}
			if err := p.Check(); err != nil {
				return errors.Join(errCheck, err)
			}
			files := 0
			for _, part := range p.Manifest.Parts {
				files += len(part.Train) + len(part.Held)
			}
			fmt.Fprintf(c.OutOrStdout(), "%s: %s token files with %s tokens are as they were prepared\n", args[0], human(int64(files)), human(p.Manifest.Total.Tokens))
			return nil
		},
	}
}

// parseShare reads 0.01 or 1%.
func parseShare(text string) (float64, error) {
	number, percent := strings.CutSuffix(text, "%")
	if percent {
		number += "e-2" // exact, where a division rounds twice
	}
	x, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: want a fraction such as 0.01, or a percentage such as 1%%", text)
	}
	return x, nil
}

// parseWeights reads SOURCE=SHARE.
func parseWeights(texts []string) (map[string]float64, error) {
	weights := map[string]float64{}
	for _, t := range texts {
		i := strings.LastIndexByte(t, '=')
		if i < 1 {
			return nil, fmt.Errorf("--weight %s: want SOURCE=SHARE", t)
		}
		share, err := parseShare(t[i+1:])
		if err != nil {
			return nil, fmt.Errorf("--weight %w", err)
		}
		if _, twice := weights[t[:i]]; twice {
			return nil, fmt.Errorf("--weight: %s has two", t[:i])
		}
		weights[t[:i]] = share
	}
	return weights, nil
}

func printPrepared(w io.Writer, m *data.Manifest, dir string, asked int) {
	for _, s := range m.Sources {
		fmt.Fprintf(w, "%s: %s", s.Name, counted(s.Statistics))
		if s.Weight > 0 {
			fmt.Fprintf(w, "; %g of the training windows", s.Weight)
		}
		fmt.Fprintln(w)
	}
	if len(m.Sources) > 1 {
		fmt.Fprintf(w, "in all: %s\n", counted(m.Total))
	}
	fmt.Fprintf(w, "held out: %s bytes, %s tokens; longest document: %s bytes; %s of %s ids of the vocabulary occur\n",
		human(m.Total.HeldBytes), human(m.Total.HeldTokens), human(m.Total.Longest), human(int64(m.UsedIDs)), human(int64(m.Tokenizer.Size)))
	if m.Holdout > 0 && m.Total.HeldBytes == 0 {
		fmt.Fprintf(w, "none of the documents fell into the %g held out; a larger --holdout would take some\n", m.Holdout)
	}
	if m.Tokenizer.Size < asked {
		fmt.Fprintf(w, "the vocabulary has %s tokens instead of %s: no other pair occurs twice\n", human(int64(m.Tokenizer.Size)), human(int64(asked)))
	}
	fmt.Fprintf(w, "saved in %s\n", dir)
}

func counted(s data.Statistics) string {
	text := fmt.Sprintf("%s documents, %s bytes, %s tokens", human(s.Documents), human(s.Bytes), human(s.Tokens))
	if s.Tokens > 0 {
		text += fmt.Sprintf(" (%.2f bytes per token)", float64(s.Bytes)/float64(s.Tokens))
	}
	if s.Duplicates > 0 {
		text += fmt.Sprintf(", %s repeats dropped", human(s.Duplicates))
	}
	if s.Empty > 0 {
		text += fmt.Sprintf(", %s empty ones left out", human(s.Empty))
	}
	return text
}

// dataBar shows how far a pass has come, on a terminal alone.
type dataBar struct {
	progress *mpb.Progress
	bar      *mpb.Bar
	pass     string
}

func newDataBar(w io.Writer) *dataBar {
	b := &dataBar{}
	if isTerminal(w) {
		b.progress = mpb.New(mpb.WithOutput(w), mpb.WithWidth(40))
	}
	return b
}

func (b *dataBar) show(p prepare.Progress) {
	if b.progress == nil {
		return
	}
	if b.pass != p.Pass {
		b.end()
		b.pass = p.Pass
		b.bar = b.progress.AddBar(p.All, mpb.PrependDecorators(decor.Name(p.Pass+" ")), mpb.AppendDecorators(decor.CountersKibiByte(" % .1f of % .1f")))
	}
	b.bar.SetCurrent(p.Done)
}

// end ends the bar of a pass, also of one that failed.
func (b *dataBar) end() {
	if b.bar != nil && !b.bar.Completed() {
		b.bar.Abort(false)
	}
}

// done leaves the terminal in order; it may be called again.
func (b *dataBar) done() {
	if b.progress == nil {
		return
	}
	b.end()
	b.progress.Wait()
	b.progress = nil
}
