package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/moezoo/moezoo/export/ort"
)

func runtimeCommand() *cobra.Command {
	c := &cobra.Command{Use: "runtime", Short: "Find or install ONNX Runtime", Example: "  zoo runtime install"}
	var force bool
	install := &cobra.Command{
		Use: "install", Short: "Get the pinned ONNX Runtime, unless one is found",
		Long: `Find ONNX Runtime in $ONNXRUNTIME_LIB, the system's folders or the cache; otherwise get the pinned version:
the official release archive, or out of the npm or PyPI package through the npm or pip found on this machine.
Every way is checked by SHA-256.`,
		Example: "  zoo runtime install\n  ONNXRUNTIME_LIB=/opt/onnxruntime/lib zoo runtime install",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if rt, err := ort.Find(); err == nil && !force {
				fmt.Fprintf(c.OutOrStdout(), "ONNX Runtime %s is here: %s\n", rt.Version, rt.Path)
				return nil
			}
			rt, err := ort.Install(c.Context(), ort.InstallOptions{Force: force}, func(s string) { fmt.Fprintln(c.ErrOrStderr(), s) })
			if err == nil {
				fmt.Fprintf(c.OutOrStdout(), "ONNX Runtime %s installed: %s\n", rt.Version, rt.Path)
			}
			return err
		},
	}
	install.Flags().BoolVar(&force, "force", false, "install even when one is found")
	c.AddCommand(install)
	return group(c)
}
