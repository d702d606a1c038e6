// Command zoo-plugin-routers serves the built-in routers as a plugin of its own.
package main

import (
	"github.com/moezoo/moezoo/plugins"
	"github.com/moezoo/moezoo/plugins/routers"
)

func main() {
	plugins.Register(routers.Provider())
	plugins.Main()
}
