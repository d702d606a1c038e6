package plugins

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"

	hclog "github.com/hashicorp/go-hclog"
)

// logLineLimit bounds one log line that a plugin causes, in bytes.
const logLineLimit = 4 << 10

// hcLogger lets go-plugin write to a slog.Logger. What go-plugin says itself is
// of no use to a person (the host's errors say it better) and goes to debug;
// what a plugin wrote to its stderr keeps the level it was given. All of it is
// cleaned of escape sequences first.
type hcLogger struct {
	to     *slog.Logger
	name   string
	fromIt bool // these lines come from the plugin
	with   []any
}

func newHCLogger(to *slog.Logger) hclog.Logger { return &hcLogger{to: to} }

func (l *hcLogger) emit(level slog.Level, msg string, args []any) {
	if !l.fromIt {
		level = slog.LevelDebug
	}
	ctx := context.Background()
	if !l.to.Enabled(ctx, level) {
		return
	}
	clean := make([]any, 0, len(args)+len(l.with))
	for _, a := range append(append([]any(nil), l.with...), args...) {
		clean = append(clean, cleanLine(fmt.Sprint(a), logLineLimit))
	}
	if len(clean)%2 == 1 {
		clean = append(clean, "")
	}
	l.to.Log(ctx, level, cleanLine(msg, logLineLimit), clean...)
}

// Log implements hclog.Logger.
func (l *hcLogger) Log(level hclog.Level, msg string, args ...any) {
	switch level {
	case hclog.Error:
		l.Error(msg, args...)
	case hclog.Warn:
		l.Warn(msg, args...)
	case hclog.Info:
		l.Info(msg, args...)
	default:
		l.Debug(msg, args...)
	}
}

// Trace implements hclog.Logger.
func (l *hcLogger) Trace(msg string, args ...any) { l.emit(slog.LevelDebug-4, msg, args) }

// Debug implements hclog.Logger.
func (l *hcLogger) Debug(msg string, args ...any) { l.emit(slog.LevelDebug, msg, args) }

// Info implements hclog.Logger.
func (l *hcLogger) Info(msg string, args ...any) { l.emit(slog.LevelInfo, msg, args) }

// Warn implements hclog.Logger.
func (l *hcLogger) Warn(msg string, args ...any) { l.emit(slog.LevelWarn, msg, args) }

// Error implements hclog.Logger.
func (l *hcLogger) Error(msg string, args ...any) { l.emit(slog.LevelError, msg, args) }

func (l *hcLogger) enabled(level slog.Level) bool {
	return l.to.Enabled(context.Background(), level)
}

// IsTrace implements hclog.Logger.
func (l *hcLogger) IsTrace() bool { return l.enabled(slog.LevelDebug - 4) }

// IsDebug implements hclog.Logger.
func (l *hcLogger) IsDebug() bool { return l.enabled(slog.LevelDebug) }

// IsInfo implements hclog.Logger.
func (l *hcLogger) IsInfo() bool { return l.enabled(slog.LevelInfo) }

// IsWarn implements hclog.Logger.
func (l *hcLogger) IsWarn() bool { return l.enabled(slog.LevelWarn) }

// IsError implements hclog.Logger.
func (l *hcLogger) IsError() bool { return l.enabled(slog.LevelError) }

// ImpliedArgs implements hclog.Logger.
func (l *hcLogger) ImpliedArgs() []any { return l.with }

// With implements hclog.Logger.
func (l *hcLogger) With(args ...any) hclog.Logger {
	c := *l
	c.with = append(append([]any(nil), l.with...), args...)
	return &c
}

// Name implements hclog.Logger.
func (l *hcLogger) Name() string { return l.name }

// Named implements hclog.Logger. go-plugin names a logger only to pass on what
// the plugin wrote.
func (l *hcLogger) Named(name string) hclog.Logger {
	c := *l
	c.name, c.fromIt = name, name != "stdio"
	return &c
}

// ResetNamed implements hclog.Logger.
func (l *hcLogger) ResetNamed(name string) hclog.Logger { return l.Named(name) }

// SetLevel implements hclog.Logger; the slog handler decides instead.
func (l *hcLogger) SetLevel(hclog.Level) {}

// GetLevel implements hclog.Logger.
func (l *hcLogger) GetLevel() hclog.Level {
	for _, p := range []struct {
		on    bool
		level hclog.Level
	}{{l.IsTrace(), hclog.Trace}, {l.IsDebug(), hclog.Debug}, {l.IsInfo(), hclog.Info}, {l.IsWarn(), hclog.Warn}} {
		if p.on {
			return p.level
		}
	}
	return hclog.Error
}

// StandardLogger implements hclog.Logger.
func (l *hcLogger) StandardLogger(o *hclog.StandardLoggerOptions) *log.Logger {
	return log.New(l.StandardWriter(o), "", 0)
}

// StandardWriter implements hclog.Logger.
func (l *hcLogger) StandardWriter(*hclog.StandardLoggerOptions) io.Writer {
	return lineLogger{l.to}
}

// lineLogger writes what it is given to the log, at debug, a line a call.
type lineLogger struct{ to *slog.Logger }

// Write never fails.
func (w lineLogger) Write(p []byte) (int, error) {
	if s := cleanLine(string(p), logLineLimit); s != "" {
		w.to.Debug("plugin output", "text", s)
	}
	return len(p), nil
}
