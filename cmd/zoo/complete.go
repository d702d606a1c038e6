package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/moezoo/moezoo/plugins"
	"github.com/moezoo/moezoo/zoo/recipe"
)

// completeRecipes completes the name of a recipe; a file of one is completed by the shell.
func completeRecipes(_ *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var out []string
	for _, e := range recipe.List() {
		if strings.HasPrefix(e.Name, begun) {
			out = append(out, cobra.CompletionWithDesc(e.Name, e.Doc))
		}
	}
	if len(out) > 0 {
		return out, cobra.ShellCompDirectiveNoFileComp
	}
	return nil, cobra.ShellCompDirectiveDefault
}

// completePlugins completes the name of a plugin that is found, starting none.
func completePlugins(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var out []string
	if h, err := newHost(); err == nil && len(args) == 0 {
		for _, f := range h.List() {
			if f.ShadowedBy == "" {
				out = append(out, f.Name)
			}
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}

// completeVariants completes a flag that takes the name of a router or an expert.
func completeVariants(c *cobra.Command, flag string, kind plugins.Kind) {
	find := func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		var out []string
		all, err := everything()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		for _, l := range all {
			if l.Kind == string(kind) {
				out = append(out, cobra.CompletionWithDesc(l.Name, l.Doc))
			}
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	}
	if err := c.RegisterFlagCompletionFunc(flag, find); err != nil {
		panic("zoo: " + err.Error())
	}
}

// completeFlag completes a flag that takes one of a few words.
func completeFlag(c *cobra.Command, flag string, words ...string) {
	if err := c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic("zoo: " + err.Error())
	}
}
