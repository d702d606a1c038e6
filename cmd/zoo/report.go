package main

import (
	"fmt"
	"net"
	"strings"

	"github.com/spf13/cobra"

	"github.com/moezoo/moezoo/report"
)

func reportCommand() *cobra.Command {
	var out, title, serve string
	c := &cobra.Command{
		Use: "report RUN...", Short: "Make a page of runs: losses, steps to parity, routers, sizes, what was run",
		Long: `Make one self-contained page of runs, or of the folder of a study, and its figures as SVG and CSV files
in figures/ beside it. With --serve the page is shown by a server on this machine instead, and follows
runs while they train.`,
		Example: "  zoo report runs/a runs/b -o report.html\n  zoo report runs/paper-debug -o report.html\n  zoo report runs/a --serve localhost:8080",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			loader := &report.Loader{}
			load := func() (*report.Page, error) {
				p, err := loader.Load(args...)
				if err == nil && title != "" {
					p.Title = title
				}
				return p, err
			}
			p, err := load()
			if err != nil {
				return err
			}
			if serve != "" {
				return serveReport(c, serve, load)
			}
			if err := p.Write(out); err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%s: %s\n", p.Extent(), out)
			return nil
		},
	}
	c.Flags().StringVarP(&out, "output", "o", "report.html", "the page")
	c.Flags().StringVar(&title, "title", "", "of the page")
	c.Flags().StringVar(&serve, "serve", "", "show the page at this address, such as localhost:8080, until Ctrl-C; :0 finds a free port")
	return c
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
