package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// once is a flag that may be given one time: of two values, one would be lost unseen.
type once struct {
	pflag.Value
	given bool
}

// Set sets the value, the first time.
func (o *once) Set(s string) error {
	if o.given && !global.completing { // completing reads the words more than once
		return errors.New("it is given twice")
	}
	o.given = true
	return o.Value.Set(s)
}

// onlyOnce lets every flag of c and its subcommands that is no list be given one time.
func onlyOnce(c *cobra.Command) {
	wrap := func(f *pflag.Flag) {
		if _, list := f.Value.(pflag.SliceValue); !list {
			f.Value = &once{Value: f.Value}
		}
	}
	c.LocalNonPersistentFlags().VisitAll(wrap)
	c.PersistentFlags().VisitAll(wrap)
	for _, sub := range c.Commands() {
		onlyOnce(sub)
	}
}

// exactly takes so many arguments, and names those that a command's use line asks for.
func exactly(n int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == n {
			return nil
		}
		return fmt.Errorf("got %d arguments, want zoo %s; see %s --help", len(args), strings.TrimPrefix(c.CommandPath(), "zoo ")+strings.TrimPrefix(c.Use, c.Name()), c.CommandPath())
	}
}

// group lets a command that only holds others refuse what none of them is called; without
// arguments it shows its help.
func group(c *cobra.Command) *cobra.Command {
	c.Args, c.RunE = cobra.NoArgs, func(c *cobra.Command, _ []string) error { return c.Help() }
	return c
}

// checkNames refuses empty arguments, and a flag that has taken the next one for its value.
func checkNames(c *cobra.Command, args []string) error {
	for i, a := range args {
		if a == "" {
			return fmt.Errorf("argument %d of %s is empty; see %s --help", i+1, c.CommandPath(), c.CommandPath())
		}
	}
	var fault error
	c.Flags().Visit(func(f *pflag.Flag) {
		if f.Name == "prompt" || f.Name == "stop" {
			return // text is text
		}
		for _, v := range valuesOf(f) {
			switch {
			case v == "":
				fault = fmt.Errorf("--%s is empty; see %s --help", f.Name, c.CommandPath())
			case strings.HasPrefix(v, "--"):
				fault = fmt.Errorf("--%s needs a value, and %s looks like another flag; write ./%s for a file of that name", f.Name, v, v)
			}
		}
	})
	return fault
}

func valuesOf(f *pflag.Flag) []string {
	if list, ok := f.Value.(pflag.SliceValue); ok {
		return list.GetSlice()
	}
	if f.Value.Type() == "string" {
		return []string{f.Value.String()}
	}
	return nil
}

// output remembers the first failure to write, so that a full disk is no success.
type output struct {
	w   io.Writer
	err error
}

// Write writes.
func (o *output) Write(p []byte) (int, error) {
	n, err := o.w.Write(p)
	if o.err == nil {
		o.err = err
	}
	return n, err
}
