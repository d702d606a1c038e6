"""Routers and experts for the zoo, written in Python: one file, no build step.

    from moezoo_plugin import Option, Plugin, Routing

    plugin = Plugin("mine", "0.1.0")

    @plugin.router("mine", doc="top-k by softmax", causal=True)
    def mine(g, x, c, d):
        p = g.Softmax(g.linear("router", x, d.d_model, d.experts), axis=-1)  # [T, E]
        weight, expert = g.TopK(p, g.ints(d.top_k), axis=-1)
        return Routing(expert=expert, weight=weight).per_token("probabilities", p)

    if __name__ == "__main__":
        plugin.main()

What a function builds is a graph of ONNX operators (opset 18) and of the zoo's own (g.zoo.SiLU):
nothing of it runs here. The zoo checks it, differentiates it and compiles it. So a plugin writes no
gradients, and is not asked while a model trains. It must be pure: equal requests, equal bytes.

Only grpcio is needed; the few messages of the protocol (plugins/wire/plugin.proto) and of ONNX are
written and read below. The file has four parts: messages, graphs, plugins, and the process that
serves them.
"""

import inspect
import io
import json
import os
import signal
import struct
import sys
import tempfile
import threading
import traceback
import zipfile
from concurrent import futures
from types import SimpleNamespace

PROTOCOL = 1
COOKIE = ("ZOO_PLUGIN_COOKIE", "moezoo-router-or-expert-provider")
MAX_MESSAGE = 64 << 20
MAX_LISTED = 1 << 20  # experts or tokens, of which a function may hold a number each
OPSET = [("", 18), ("zoo", 1)]


class PluginError(Exception):
    """What is wrong with a request, for the person who made it."""


# Messages: protobuf by hand. A message is a list of (number, value); None is left out. Numbers are
# those of plugin.proto and onnx.proto3.


def varint(n):
    n &= (1 << 64) - 1
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def message(*fields):
    """Serialises fields: int and bool as varints, float as a double, str, bytes; lists repeat."""
    out = bytearray()
    for number, value in fields:
        for v in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(v, int):
                out += varint(number << 3) + varint(v)
            elif isinstance(v, float):
                out += varint(number << 3 | 1) + struct.pack("<d", v)
            elif v is not None:
                raw = v.encode() if isinstance(v, str) else v
                out += varint(number << 3 | 2) + varint(len(raw)) + raw
    return bytes(out)


def fields(raw):
    """Reads a message: (number, value) with int or bytes values."""

    def number():
        nonlocal at
        n = shift = 0
        while True:
            byte = raw[at]
            at += 1
            n |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return n

    at = 0
    while at < len(raw):
        tag = number()
        if tag & 7 == 0:
            yield tag >> 3, number()
        elif tag & 7 == 2:
            size = number()
            yield tag >> 3, raw[at : at + size]
            at += size
        else:
            at += {1: 8, 5: 4}[tag & 7]


def signed(n):
    return n - (1 << 64) if n >> 63 else n


def float32(number, *values):
    """A field of float32 numbers, which message does not write: packed when there are several."""
    raw = struct.pack(f"<{len(values)}f", *values)
    return varint(number << 3 | 5) + raw if len(values) == 1 else varint(number << 3 | 2) + varint(len(raw)) + raw


def tensor(dtype, shape, raw):
    return message((1, list(shape)), (2, dtype), (9, raw))


def attribute(name, v):
    """int, float, str, TensorProto bytes, or a list of ints."""
    if isinstance(v, int):  # a bool, too
        return message((1, name), (3, int(v)), (20, 2))
    if isinstance(v, float):
        return message((1, name)) + float32(2, v) + message((20, 1))
    if isinstance(v, str):
        return message((1, name), (4, v), (20, 3))
    if isinstance(v, bytes):
        return message((1, name), (5, v), (20, 4))
    if isinstance(v, (list, tuple)) and all(isinstance(n, int) for n in v):
        return message((1, name), (8, list(v)), (20, 7))
    raise PluginError(f"attribute {name}: {v!r} is no int, float, str or list of ints")


# Graphs.

FLOAT, INT64 = 1, 7


class Value:
    """A tensor inside of a graph. Arithmetic with Python numbers makes float constants of them; for
    int64 tensors write g.int(2)."""

    def __init__(self, graph, name):
        self.graph, self.name = graph, name

    def _binary(op, swap=False):
        def f(self, other):
            a, b = self, self.graph.value(other)
            return getattr(self.graph, op)(*((b, a) if swap else (a, b)))

        return f

    __add__, __radd__ = _binary("Add"), _binary("Add", True)
    __sub__, __rsub__ = _binary("Sub"), _binary("Sub", True)
    __mul__, __rmul__ = _binary("Mul"), _binary("Mul", True)
    __truediv__, __rtruediv__ = _binary("Div"), _binary("Div", True)
    __pow__, __matmul__ = _binary("Pow"), _binary("MatMul")

    def __neg__(self):
        return self.graph.Neg(self)


class Operators:
    """The operators of a domain: every attribute is a function that adds a node of that name."""

    OUTPUTS = {"TopK": 2}

    def __init__(self, graph, domain):
        self._graph, self._domain = graph, domain

    def __getattr__(self, op):
        if not op[:1].isupper():
            raise AttributeError(op)

        def add(*inputs, outputs=Operators.OUTPUTS.get(op, 1), **attributes):
            return self._graph.node(self._domain, op, inputs, outputs, attributes)

        return add


class Graph(Operators):
    """What a router or an expert is written with: operators (g.Softmax(x, axis=-1)), constants, parameters, states."""

    def __init__(self, name, training=True):
        super().__init__(self, "")
        self.zoo = Operators(self, "zoo")
        self.training = training
        self.token_ids = self.positions = self.rng = None
        self._name, self._nodes, self._inputs, self._outputs, self._used = name, [], [], [], {}
        self.params, self.states, self.warnings = [], [], []

    def node(self, domain, op, inputs, outputs, attributes):
        name = self._fresh(op)
        names = [name] if outputs == 1 else [f"{name}.{i}" for i in range(outputs)]
        self._append(domain, op, name, [self.value(v) for v in inputs], names, attributes)
        values = [Value(self, n) for n in names]
        return values[0] if outputs == 1 else tuple(values)

    def _append(self, domain, op, name, inputs, outputs, attributes):
        written = [attribute(k, attributes[k]) for k in sorted(attributes)]
        self._nodes.append(message((1, [v.name for v in inputs]), (2, outputs), (3, name), (4, op), (5, written), (7, domain or None)))

    def _fresh(self, word):
        self._used[word] = self._used.get(word, 0) + 1
        return f"{word}_{self._used[word]}"

    def value(self, v):
        return v if isinstance(v, Value) else self.float(v)

    def float(self, x):
        """A float scalar."""
        return self.floats([x], shape=())

    def floats(self, values, shape=None):
        """A float tensor, [n] unless a shape is given."""
        raw = struct.pack(f"<{len(values)}f", *values)
        return self.node("", "Constant", (), 1, {"value": tensor(FLOAT, (len(values),) if shape is None else shape, raw)})

    def int(self, n):
        """An int64 scalar."""
        return self.node("", "Constant", (), 1, {"value": tensor(INT64, (), struct.pack("<q", n))})

    def ints(self, *values):
        """An int64 vector, such as a shape or axes."""
        return self.node("", "Constant", (), 1, {"value": tensor(INT64, (len(values),), struct.pack(f"<{len(values)}q", *values))})

    def input(self, name):
        self._inputs.append(name)
        return Value(self, name)

    def param(self, name, shape, init, decay=True):
        """A parameter; an expert's has the shape of one expert. init is made by linear, normal and so on below."""
        scheme, arguments = init
        spec = message((1, name), (2, FLOAT), (3, list(shape)))
        start = message((1, scheme), (2, [message((1, k), (2, float(v))) for k, v in arguments]))
        self.params.append(message((1, spec), (2, start), (3, decay)))
        return self.input(name)

    def linear(self, name, x, n_in, n_out):
        """x·W with a weight [n_in, n_out] that starts as a linear layer does."""
        return x @ self.param(name, (n_in, n_out), linear(n_in))

    def project(self, name, x, n_in, n_out):
        """linear for the last product of an expert, whose result is added to the residual stream."""
        return x @ self.param(name, (n_in, n_out), residual(n_in))

    def state(self, name, shape, fill=0.0):
        """A tensor that training carries along without a gradient; Routing.update says how it changes."""
        self.states.append((name, tuple(shape), float(fill)))
        return Value(self, name)

    def warn(self, text):
        """Tells who builds a model with the variant, in one sentence, what they may not expect of these options and sizes."""
        self.warnings.append(message((1, 1), (2, text)))

    def output(self, name, v):
        self._append("", "Identity", name, [v], [name], {})
        self._outputs.append(name)

    def encode(self):
        inputs = self._inputs + [name for name, _, _ in self.states]
        opsets = [message((1, domain), (2, version)) for domain, version in OPSET]
        return message((1, self._name), (4, inputs), (5, self._outputs), (7, self._nodes), (9, opsets), (10, "zoo.plugin"))


def linear(fan_in):
    return "linear", [("fan_in", fan_in)]


def residual(fan_in):
    return "residual", [("fan_in", fan_in)]


def zeros():
    return "zeros", []


def ones():
    return "ones", []


def constant(value):
    return "constant", [("value", value)]


def normal(std, mean=0.0):
    return "normal", [("mean", mean), ("std", std)]


def uniform(low, high):
    return "uniform", [("low", low), ("high", high)]


class Routing:
    """What a router answers, in one of three forms (T tokens, E experts):

    expert int64 [T, k] and weight [T, k]; an expert of -1 while training drops that assignment;
    token int64 [E, C] and weight [E, C]: experts claim tokens;
    dispatch [S, T] and combine [T, S]: slots of mixed tokens, S/E of each expert."""

    FORMS = [(5, ("expert", "weight")), (6, ("token", "weight")), (7, ("dispatch", "combine"))]

    def __init__(self, **outputs):
        self._form = next((n for n, names in self.FORMS if set(names) == set(outputs)), None)
        if self._form is None:
            raise PluginError(f"a routing of {', '.join(outputs)}: want expert and weight, token and weight, or dispatch and combine")
        self._outputs, self._losses, self._metrics, self._tokens, self._updates = outputs, {}, {}, {}, {}

    def loss(self, name, weight, v):
        """Adds an auxiliary loss, a scalar, times weight."""
        self._losses[name] = (float(weight), v)
        return self

    def metric(self, name, v):
        """Reports a scalar while training."""
        self._metrics[name] = v
        return self

    def per_token(self, name, v):
        """Shows the model a value per token [T, E], such as "probabilities"."""
        self._tokens[name] = v
        return self

    def update(self, state, v, f):
        """Changes a state once per optimiser step: v, of its shape, is summed over the step's tokens, and the
        new state is f(g, state, sum)."""
        self._updates[state] = (v, f)
        return self

    def _answer(self, g):
        """Makes outputs of g, and answers the fields of a BuildResponse."""
        for name, v in self._outputs.items():
            g.output(name, v)
        answer = [(self._form, message(*((i + 1, name) for i, name in enumerate(dict(self.FORMS)[self._form]))))]
        for number, prefix, values in ((8, "loss", self._losses), (9, "metric", self._metrics), (10, "token", self._tokens)):
            for name, v in values.items():
                weight, v = v if prefix == "loss" else (None, v)
                g.output(f"{prefix}_{name}", v)
                answer.append((number, message((1, name), (2, f"{prefix}_{name}"), (3, weight))))
        return answer

    def _states(self, g):
        """The fields of the states, whose sums become outputs of g."""
        out = []
        for name, shape, fill in g.states:
            if name not in self._updates:
                raise PluginError(f"state {name} is never updated")
            v, f = self._updates[name]
            g.output(f"gather_{name}", v)
            u = Graph(name)
            u.output("new_state", f(u, u.input("state"), u.input("accumulated")))
            spec = message((1, name), (2, FLOAT), (3, list(shape)))
            out.append((4, message((1, spec), (2, fill), (3, f"gather_{name}"), (4, 1), (5, u.encode()))))
        return out


# Plugins.

ROUTER, EXPERT = 1, 2
DIMS = ("d_model", "d_out", "experts", "top_k", "width", "vocabulary")
CAPABILITIES = ("causal", "needs_token_ids", "needs_positions", "needs_rng", "stateful")


class Option:
    """An option with its default, whose type (bool, int, float, str) it has, and what it means."""

    TYPES = {bool: "boolean", int: "integer", float: "number", str: "string"}

    def __init__(self, default, doc, min=None, max=None, enum=None):
        self.default, self.doc, self.min, self.max, self.enum = default, doc, min, max, enum

    def schema(self):
        s = {"type": self.TYPES[type(self.default)], "default": self.default, "description": self.doc}
        s.update((k, v) for k, v in (("minimum", self.min), ("maximum", self.max), ("enum", self.enum)) if v is not None)
        return s

    def check(self, name, v):
        kind = type(self.default)
        if kind is float and type(v) is int:
            v = float(v)
        if type(v) is not kind:
            raise PluginError(f"option {name} is {v!r}, want a {self.TYPES[kind]}")
        if self.enum is not None and v not in self.enum:
            raise PluginError(f"option {name} is {v!r}, want one of {', '.join(map(str, self.enum))}")
        if (self.min is not None and not v >= self.min) or (self.max is not None and not v <= self.max):
            raise PluginError(f"option {name} is {v!r}, want {self.min} to {self.max}")
        return v


class Variant:
    def __init__(self, function, kind, name, doc, paper, revision, options, capabilities):
        self.function, self.kind, self.name, self.doc, self.paper = function, kind, name, doc, paper
        self.revision, self.options, self.capabilities = revision, options, capabilities

    def schema(self):
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {name: o.schema() for name, o in self.options.items()},
            "additionalProperties": False,
        }

    def described(self):
        capabilities = message(*((i + 1, self.capabilities[c]) for i, c in enumerate(CAPABILITIES)))
        schema = json.dumps(self.schema(), sort_keys=True, separators=(",", ":"))
        return message((1, self.name), (2, self.kind), (3, self.doc), (4, self.paper), (5, schema), (6, capabilities), (7, self.revision))

    def config(self, raw):
        """The options of a request over their defaults."""
        given = json.loads(raw) if raw else {}
        if not isinstance(given, dict):
            raise PluginError("the options are no JSON object")
        for name in given:
            if name not in self.options:
                raise PluginError(f"there is no option {name}; there is: {', '.join(self.options) or 'none'}")
        return SimpleNamespace(**{name: o.check(name, given.get(name, o.default)) for name, o in self.options.items()})

    def build(self, config, dims):
        c = self.config(config)
        d = SimpleNamespace(**{name: dims.get(name, 0) for name in DIMS})
        d.d_out = d.d_out or d.d_model
        if d.d_model < 1:
            raise PluginError(f"d_model is {d.d_model}, want at least 1")
        for name in ("experts", "vocabulary"):
            if getattr(d, name) > MAX_LISTED:
                raise PluginError(f"{name} is {getattr(d, name)}, want at most {MAX_LISTED}: a function may list them")
        if self.kind == EXPERT:
            if d.width < 1:
                raise PluginError(f"width is {d.width}, want at least 1")
            g = Graph(self.name)
            g.output("y", self.function(g, g.input("x"), c, d))
            return message((1, g.encode()), (3, g.params), (11, g.warnings))
        if not 1 <= d.top_k <= d.experts:
            raise PluginError(f"top_k = {d.top_k} of {d.experts} experts: want 1 to the number of experts")
        train, answer = self._route(True, c, d)
        infer, _ = self._route(False, c, d)
        return message((1, train), (2, infer if infer != train else None), *answer)

    def _route(self, training, c, d):
        g = Graph(self.name, training)
        x = g.input("x")
        for name in ("token_ids", "positions", "rng"):
            if self.capabilities[f"needs_{name}"]:
                setattr(g, name, g.input(name))
        routing = self.function(g, x, c, d)
        if not isinstance(routing, Routing):
            raise PluginError(f"router {self.name} answers {routing!r}, want a Routing")
        answer = routing._answer(g)
        states = routing._states(g)
        return g.encode(), [(3, g.params)] + states + answer + [(11, g.warnings)]


class Plugin:
    """A plugin's name, version and variants. The name is the file's: zoo-plugin-NAME.py, or zoo-plugin-NAME of a bundle."""

    def __init__(self, name, version):
        self.name, self.version, self.variants = name, version, {}

    def router(self, name, doc, paper="", causal=True, options=None, revision=1, **capabilities):
        """Decorates f(g, x [T, d_model], options, dims) -> Routing. Capabilities: needs_token_ids, needs_positions, needs_rng, stateful."""
        return self._add(ROUTER, name, doc, paper, options, revision, dict(capabilities, causal=causal))

    def expert(self, name, doc, paper="", options=None, revision=1):
        """Decorates f(g, x [T, d_model], options, dims) -> y [T, d_out], a function of each token alone."""
        return self._add(EXPERT, name, doc, paper, options, revision, {"causal": True})

    def _add(self, kind, name, doc, paper, options, revision, capabilities):
        unknown = set(capabilities) - set(CAPABILITIES)
        if unknown:
            raise TypeError(f"no such capability: {', '.join(sorted(unknown))}; there is {', '.join(CAPABILITIES)}")

        def add(function):
            all_of = {c: bool(capabilities.get(c)) for c in CAPABILITIES}
            self.variants[name] = Variant(function, kind, name, doc, paper, revision, options or {}, all_of)
            return function

        return add

    def describe(self):
        """A serialised DescribeResponse."""
        return message((1, self.name), (2, self.version), (3, [v.described() for v in self.variants.values()]))

    def build(self, variant, config=b"", **dims):
        """A serialised BuildResponse."""
        if variant not in self.variants:
            raise PluginError(f"plugin {self.name} has no variant {variant!r}; it has {', '.join(self.variants)}")
        return self.variants[variant].build(config, dims)

    def main(self):
        """What a plugin's program does: serve the zoo that started it, or what its argument says."""
        if os.environ.get(COOKIE[0]) == COOKIE[1]:
            serve(self)
        elif sys.argv[1:] == ["describe"]:
            print(json.dumps(self._card(), indent=2))
        elif sys.argv[1:] == ["debug"]:
            serve(self, attached=True)
        elif len(sys.argv) == 3 and sys.argv[1] == "bundle":
            bundle(inspect.getsourcefile(next(iter(self.variants.values())).function), sys.argv[2])
        else:
            me = sys.argv[0]
            sys.exit(
                f"{os.path.basename(me)} is a plugin for the zoo (provider {self.name} {self.version}, protocol {PROTOCOL}).\n"
                f"  {me} describe       prints what it offers\n"
                f"  {me} debug          serves until interrupted, for a zoo that attaches to it\n"
                f"  {me} bundle FILE    writes it and the SDK as one file, which zoo plugin install takes"
            )

    def _card(self):
        kinds = {ROUTER: "router", EXPERT: "expert"}
        variants = [
            dict(name=v.name, kind=kinds[v.kind], doc=v.doc, paper=v.paper, config_schema=v.schema(),
                 capabilities={k: True for k, on in v.capabilities.items() if on}, revision=v.revision)
            for v in self.variants.values()
        ]
        return dict(provider=self.name, version=self.version, protocol=PROTOCOL, variants=variants)


def bundle(script, out):
    """Writes a plugin and this file into one executable (PEP 441), the same bytes every time."""
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as z:
        for name, path in (("__main__.py", script), ("moezoo_plugin.py", __file__)):
            with open(path, "rb") as f:
                z.writestr(zipfile.ZipInfo(name), f.read())
    with open(out, "wb") as f:
        f.write(b"#!/usr/bin/env python3\n" + raw.getvalue())
    os.chmod(out, 0o755)


# The process: a gRPC server on a Unix socket, as hashicorp/go-plugin expects it.


def serve(plugin, attached=False):
    stdout, sys.stdout = sys.stdout, sys.stderr  # what anybody prints must not reach the handshake
    signal.signal(signal.SIGINT, signal.default_int_handler if attached else signal.SIG_IGN)  # the host decides
    try:
        import grpc
    except ImportError as e:
        sys.exit(f"{e}: {sys.executable} has no grpcio; pip install it, and start zoo with that environment's bin first in PATH")
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())

    def guarded(f):
        def call(request, context):
            try:
                return f(request)
            except PluginError as e:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(e))
            except ValueError as e:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"{type(e).__name__}: {e}")
            except Exception as e:
                traceback.print_exc()
                sys.stderr.flush()
                context.abort(grpc.StatusCode.INTERNAL, f"panic: {type(e).__name__}: {e}")

        return grpc.unary_unary_rpc_method_handler(call)

    def build(raw):
        variant, config, dims = "", b"", {}
        for number, v in fields(raw):
            if number == 1:
                variant = v.decode()
            elif number == 2:
                config = v
            elif number == 3:
                entry = dict(fields(v))
                dims[entry.get(1, b"").decode()] = signed(entry.get(2, 0))
        return plugin.build(variant, config, **dims)

    def shutdown(_):
        stop.set()
        return b""

    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=8),
        options=[("grpc.max_receive_message_length", MAX_MESSAGE), ("grpc.max_send_message_length", MAX_MESSAGE)],
    )
    handlers = {
        "zoo.plugin.v1.Provider": {"Describe": guarded(lambda _: plugin.describe()), "Build": guarded(build)},
        "plugin.GRPCController": {"Shutdown": guarded(shutdown)},
        "grpc.health.v1.Health": {"Check": guarded(lambda _: message((1, 1)))},
    }
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(s, h) for s, h in handlers.items()])
    folder = os.environ.get("PLUGIN_UNIX_SOCKET_DIR") or tempfile.mkdtemp(prefix="zoo")
    socket = os.path.join(folder, f"plugin{os.getpid()}")
    server.add_insecure_port("unix:" + socket)
    server.start()
    if attached:
        at = {plugin.name: {"network": "unix", "address": socket, "pid": os.getpid(), "protocol": PROTOCOL}}
        print(f"export ZOO_REATTACH_PROVIDERS='{json.dumps(at)}'", file=stdout, flush=True)
    else:
        print(f"1|{PROTOCOL}|unix|{socket}|grpc", file=stdout, flush=True)
    try:
        orphan = wait(stop, attached)
    except KeyboardInterrupt:
        orphan = False
    server.stop(0)
    for remove, path in ((os.unlink, socket), (os.rmdir, folder)):
        try:
            remove(path)
        except OSError:
            pass
    if orphan and os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)  # what this plugin started goes along
    os._exit(0)


def wait(stop, attached):
    """Returns when the process shall end: False when it was asked to, True when its host is gone."""
    parent, host = os.getppid(), int(os.environ.get("ZOO_PLUGIN_HOST_PID") or 0)
    while not stop.wait(0.25):
        if not attached and (os.getppid() != parent or host and not alive(host)):
            return True
    return False


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
