package main

import (
	"fmt"
	"net"
	"strings"

	"github.com/spf13/cobra"

	"github.com/moezoo/moezoo/report"
)

// reporting is what the flags of zoo report say.
type reporting struct {
	out, serve string
	// What a person says of the runs, instead of the study's folder.
	title, command, program, note, reference string
}

func reportCommand() *cobra.Command {
	var o reporting
	c := &cobra.Command{
		Use: "report RUN...", Short: "Make a page of runs: losses, differences, steps to parity, routers, sizes, what was run",
		Long: `Make one self-contained page of runs, or of the folder of a study, and its figures as SVG and CSV files
in figures/ beside it. Where --output is a folder, the page in it is report.html, and summary.csv and
summary.md have a row for each model. The same runs give the same bytes. With --serve the page is
shown by a server on this machine instead, and follows runs while they train.`,
		Example: `  zoo report runs/a runs/b -o report.html
  zoo report runs/architectures-d64 -o docs/results/architectures-d64 --note 'Other programs ran meanwhile.'
  zoo report runs/a --serve localhost:8080`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return makeReport(c, args, &o) },
	}
	f := c.Flags()
	f.StringVarP(&o.out, "output", "o", "report.html", "the page; or a folder, when it does not end in .html")
	f.StringVar(&o.title, "title", "", "of the page")
	f.StringVar(&o.command, "command", "", "that makes the runs again (default: what the study's folder says)")
	f.StringVar(&o.program, "program", "", "that made the runs, such as 'zoo of revision 1a2b3c4', for runs of a program that was built without it")
	f.StringVar(&o.note, "note", "", "a sentence about how the runs were made, such as that other programs ran meanwhile")
	f.StringVar(&o.reference, "reference", "", "model that the others are compared with (default: the one that the study matches to, or the first)")
	f.StringVar(&o.serve, "serve", "", "show the page at this address, such as localhost:8080, until Ctrl-C; :0 finds a free port")
	return c
}

func makeReport(c *cobra.Command, args []string, o *reporting) error {
	loader := &report.Loader{}
	load := func() (*report.Page, error) {
		p, err := loader.Load(args...)
		if err != nil {
			return nil, err
		}
		for _, x := range []struct {
			to   *string
			said string
		}{{&p.Title, o.title}, {&p.Command, o.command}, {&p.Program, o.program}, {&p.Note, o.note}} {
			if x.said != "" {
				*x.to = x.said
			}
		}
		return p, p.Against(o.reference)
	}
	p, err := load()
	if err != nil {
		return err
	}
	if o.serve != "" {
		return serveReport(c, o.serve, load)
	}
	write := p.WriteFolder
	if strings.HasSuffix(o.out, ".html") || strings.HasSuffix(o.out, ".htm") {
		write = p.Write
	}
	if err := write(o.out); err != nil {
		return err
	}
	fmt.Fprintf(c.OutOrStdout(), "%s: %s\n", p.Extent(), o.out)
	return nil
}

// serveReport shows a live page. An address without a host is this machine's own.
func serveReport(c *cobra.Command, address string, load func() (*report.Page, error)) error {
	if strings.HasPrefix(address, ":") {
		address = "localhost" + address
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("--serve: %w", err)
	}
	fmt.Fprintf(c.OutOrStdout(), "http://%s/ follows the runs; Ctrl-C ends it\n", l.Addr())
	return report.Serve(c.Context(), l, load)
}
