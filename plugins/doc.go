// Package plugins finds, starts, checks and locks the providers of routers and
// experts, and lets a program be one.
//
// A provider is a program that answers two calls, Describe and Build (package
// wire), over hashicorp/go-plugin. What it builds is a graph, so nothing is
// asked of it while a model trains. The parts:
//
//   - [Serve] and [Main] make a program a provider of what it [Register]ed; built-in
//     providers live in the host's own program, which starts itself.
//   - [Host] finds providers, starts them when first needed and checks what they
//     answer. It trusts no answer: sizes, names, numbers and purity are checked
//     here, the functions themselves by the [Checker] that the graph side
//     supplies.
//   - [Lock] records what a project used and refuses what differs later.
//   - [Install], [Remove] and [Host.Verify] are what the command line offers.
//
// What lives elsewhere: the messages (plugins/wire), the built-in variants
// (plugins/routers, plugins/experts), everything that opens a function (graph).
//
// # Trust
//
// A plugin's answers are untrusted. Its code is not confined: it runs with the
// rights of the person who started the zoo, as any program they start. Listing
// plugins runs none of them.
//
// # Faults
//
// A plugin that does not start, dies, hangs, prints to stdout or answers nonsense
// gives one [Error] that names it, in bounded time ([Timeouts]), and leaves no
// process and no socket: it runs in a process group of its own that is ended
// whole; it ends itself when the host dies, and its socket lies in a folder that
// the next host clears if that did not work.
//
// # Debugging a provider
//
// A provider started with the argument "debug", by a debugger for example, serves until it
// is interrupted and prints the variable ZOO_REATTACH_PROVIDERS. A host that finds the
// variable asks that process instead of starting one: without the lock, saying so, and
// without ever ending it. No encryption is between them, as everywhere here: the socket is
// its owner's.
//
// # Protocol versions
//
// [ProtocolVersion] is part of the handshake. Within a version, messages only
// gain fields, and a receiver ignores those it does not know; so any zoo and any
// plugin of one version work together. A change of meaning is a new version. A
// zoo that speaks a new version also offers the one before it for at least a
// year of releases; a plugin and a zoo without a common version tell the person
// which of the two to upgrade.
//
// # Systems
//
// Plugins run as processes on Linux and macOS. On Windows only built-ins work, in
// the host's own process; anything else is refused with an error that says so.
package plugins
