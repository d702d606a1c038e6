// Command zoo-plugin-experts serves the built-in experts as a plugin of its own.
package main

import (
	"github.com/moezoo/moezoo/plugins"
	"github.com/moezoo/moezoo/plugins/experts"
)

func main() {
	plugins.Register(experts.Provider())
	plugins.Main()
}
