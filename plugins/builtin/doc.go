// Package builtin registers the built-in routers and experts with the program that
// imports it.
package builtin

import (
	"github.com/moezoo/moezoo/plugins"
	"github.com/moezoo/moezoo/plugins/experts"
	"github.com/moezoo/moezoo/plugins/routers"
)

func init() {
	plugins.Register(routers.Provider())
	plugins.Register(experts.Provider())
}
