package conformance

import (
	"context"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/genproto/pluginv2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// echo is a gRPC server in this process that always gives the same answers, over TCP as a plugin
// does: what a call of this size costs at least.
type echo struct {
	pluginv2.UnimplementedDataServer
	pluginv2.UnimplementedDiagnosticsServer
	query  *pluginv2.QueryDataResponse
	health *pluginv2.CheckHealthResponse
}

func (e *echo) QueryData(context.Context, *pluginv2.QueryDataRequest) (*pluginv2.QueryDataResponse, error) {
	return e.query, nil
}

func (e *echo) CheckHealth(context.Context, *pluginv2.CheckHealthRequest) (*pluginv2.CheckHealthResponse, error) {
	return e.health, nil
}

func (e *echo) connect(t *testing.T) *grpc.ClientConn {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	pluginv2.RegisterDataServer(server, e)
	pluginv2.RegisterDiagnosticsServer(server, e)
	go func() { _ = server.Serve(listener) }()
	connection, err := grpc.NewClient("passthrough:///"+listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		connection.Close()
		server.Stop()
	})
	return connection
}

// medians times two calls by turns, so that both meet the same machine.
func medians(t *testing.T, a, b func() error) (time.Duration, time.Duration) {
	t.Helper()
	const rounds = 101
	var took [2][]time.Duration
	for range rounds {
		for index, call := range []func() error{a, b} {
			started := time.Now()
			if err := call(); err != nil {
				t.Fatal(err)
			}
			took[index] = append(took[index], time.Since(started))
		}
	}
	for _, each := range took {
		slices.Sort(each)
	}
	return took[0][rounds/2], took[1][rounds/2]
}

// stalled says whether a median is of the size of a stall between Nagle's algorithm and delayed
// acknowledgements, 40 ms and more, rather than of a call. Ten times the baseline leaves room for a
// machine that is busy.
func stalled(t *testing.T, what string, plugin, baseline time.Duration) {
	t.Helper()
	t.Logf("%s: median %v, in-process baseline %v", what, plugin, baseline)
	if limit := 20*time.Millisecond + 10*baseline; plugin > limit {
		t.Errorf("%s takes %v, want at most %v: 20 ms and ten times the baseline of %v (is TCP_NODELAY off?)", what, plugin, limit, baseline)
	}
}

func TestSmallQueryDoesNotStall(t *testing.T) {
	p := host(t)
	request := queryRequest(generator, nil, query(wild(nil), 25*time.Hour))
	answer, err := p.Data.QueryData(patient(t), request)
	if err != nil {
		t.Fatal(err)
	}
	baseline := pluginv2.NewDataClient((&echo{query: answer}).connect(t))
	plugin, echoed := medians(t,
		func() error { _, err := p.Data.QueryData(patient(t), request); return err },
		func() error { _, err := baseline.QueryData(patient(t), request); return err },
	)
	stalled(t, "a query of 100 rows", plugin, echoed)
}

func TestHealthDoesNotStall(t *testing.T) {
	p := host(t)
	request := &pluginv2.CheckHealthRequest{PluginContext: generator.context()}
	answer, err := p.Diagnostics.CheckHealth(patient(t), request)
	if err != nil {
		t.Fatal(err)
	}
	baseline := pluginv2.NewDiagnosticsClient((&echo{health: answer}).connect(t))
	plugin, echoed := medians(t,
		func() error { _, err := p.Diagnostics.CheckHealth(patient(t), request); return err },
		func() error { _, err := baseline.CheckHealth(patient(t), request); return err },
	)
	stalled(t, "a health check", plugin, echoed)
}
