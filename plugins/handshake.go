package plugins

import (
	"context"

	plugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/moezoo/moezoo/plugins/wire"
)

// ProtocolVersion is the version of the wire that this package speaks; it
// belongs to the protobuf package zoo.plugin.v1. See the package comment for the
// policy.
const ProtocolVersion = 1

// handshake is shared by host and provider. The cookie is no secret: it only
// tells a program that it was started as a plugin and not by hand.
var handshake = plugin.HandshakeConfig{
	ProtocolVersion:  ProtocolVersion,
	MagicCookieKey:   "ZOO_PLUGIN_COOKIE",
	MagicCookieValue: "moezoo-router-or-expert-provider",
}

const (
	envProvider = "ZOO_PLUGIN_PROVIDER" // which registered provider a self-started program serves
	envHostPID  = "ZOO_PLUGIN_HOST_PID" // the process whose death ends the provider
	envRunRoot  = "ZOO_PLUGIN_RUN_ROOT" // where the folders of runs lie; dead ones are swept
)

// maxMessage bounds one gRPC message either way, in bytes.
const maxMessage = 64 << 20

// serviceName is the one key in go-plugin's map: one service, many variants.
const serviceName = "provider"

// grpcService is go-plugin's view of the wire on both sides.
type grpcService struct {
	plugin.NetRPCUnsupportedPlugin
	impl wire.ProviderServer
}

// GRPCServer implements plugin.GRPCPlugin in the provider.
func (p *grpcService) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	wire.RegisterProviderServer(s, p.impl)
	return nil
}

// GRPCClient implements plugin.GRPCPlugin in the host.
func (p *grpcService) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, c *grpc.ClientConn) (any, error) {
	return wire.NewProviderClient(c), nil
}

// serviceServer is a Provider behind gRPC.
type serviceServer struct {
	wire.UnimplementedProviderServer
	p Provider
}

// Describe implements wire.ProviderServer.
func (s serviceServer) Describe(ctx context.Context, _ *wire.DescribeRequest) (*wire.DescribeResponse, error) {
	return s.p.Describe(ctx)
}

// Build implements wire.ProviderServer.
func (s serviceServer) Build(ctx context.Context, req *wire.BuildRequest) (*wire.BuildResponse, error) {
	return s.p.Build(ctx, req)
}
