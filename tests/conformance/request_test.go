package conformance

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/genproto/pluginv2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestLargeRequest(t *testing.T) {
	for name, count := range inOrder(map[string]int{"5 MiB": 3, "15 MiB": 9}) {
		t.Run(name, func(t *testing.T) {
			var queries []Query
			for number := range count {
				json := "{" + strings.Repeat(" ", 5<<20/3) + "}"
				queries = append(queries, Query{RefID: strconv.Itoa(number), JSON: json})
			}
			for refID, response := range host(t).ask(t, generator, queries...) {
				succeeded(t, refID, response).single(t)
			}
		})
	}
}

// TestLongQuery: a query that is too long is refused before it is read, and the one beside it is not.
func TestLongQuery(t *testing.T) {
	long := Query{RefID: "long", JSON: "{" + strings.Repeat(" ", 2<<20) + "}"}
	responses := host(t).ask(t, generator, long, Query{RefID: "A"})
	succeeded(t, "A", responses["A"])
	if err := responses["long"].Error; err == nil || !strings.HasPrefix(err.Error(), "[limit] the query has more than") {
		t.Errorf("error %v, want [limit]", err)
	}
}

func TestLargeAnswer(t *testing.T) {
	// More than the 4 MiB that gRPC allows by default.
	asked := query(JSON{"source": everySeries, "detector": JSON{"kind": "isolation-forest"}, "step": "1m"}, 20*24*time.Hour)
	asked.MaxDataPoints = 100_000
	response, err := host(t).Data.QueryData(patient(t), queryRequest(generator, nil, asked))
	if err != nil {
		t.Fatalf("QueryData: %v", err)
	}
	size := 0
	for _, frame := range response.Responses["A"].GetFrames() {
		size += len(frame)
	}
	if size < 4<<20 {
		t.Fatalf("an answer of %d bytes, want more than 4 MiB", size)
	}
	decoded, err := backend.FromProto().QueryDataResponse(response)
	if err != nil {
		t.Fatal(err)
	}
	if series := succeeded(t, "A", decoded.Responses["A"]).series(t); len(series) != 4 {
		t.Errorf("%d series, want 4", len(series))
	}
}

func TestRolesAreOpaque(t *testing.T) {
	for _, role := range []string{"None", "", "Viewer", "Editor", "Admin", "Something New"} {
		t.Run("role "+role, func(t *testing.T) {
			request := queryRequest(generator, nil, Query{})
			request.PluginContext.User.Role = role
			responses, err := host(t).Query(patient(t), request)
			if err != nil {
				t.Fatalf("QueryData: %v", err)
			}
			succeeded(t, "A", responses["A"])
			if _, err := host(t).Diagnostics.CheckHealth(patient(t), &pluginv2.CheckHealthRequest{PluginContext: request.PluginContext}); err != nil {
				t.Errorf("CheckHealth: %v", err)
			}
			answer := host(t).call(t, &pluginv2.CallResourceRequest{PluginContext: request.PluginContext, Method: "GET", Path: "kinds", Url: "kinds"})
			if answer.Code != 200 {
				t.Errorf("CallResource: status %d %s", answer.Code, answer.Body)
			}
		})
	}
}

func TestNoUserAsInAlerting(t *testing.T) {
	request := queryRequest(generator, nil, Query{})
	request.PluginContext.User = nil
	responses, err := host(t).Query(patient(t), request)
	if err != nil {
		t.Fatalf("QueryData: %v", err)
	}
	succeeded(t, "A", responses["A"])
}

// TestMissingContext: calls without a plugin context, or without the data source in it, are
// answered, be it with an error; none of them harms the process.
func TestMissingContext(t *testing.T) {
	bare := &pluginv2.PluginContext{OrgId: 1, PluginId: PluginID}
	for name, pluginContext := range inOrder(map[string]*pluginv2.PluginContext{"no context": nil, "no data source": bare}) {
		t.Run(name+"/query", func(t *testing.T) {
			request := queryRequest(generator, nil, Query{JSON: `{"source":{"kind":"generator"}}`})
			request.PluginContext = pluginContext
			responses, err := host(t).Query(patient(t), request)
			switch {
			case err == nil:
				answered(t, "A", responses["A"])
			case status.Code(err) != codes.InvalidArgument:
				t.Errorf("QueryData: %v, want an answer or InvalidArgument", err)
			}
			host(t).healthy(t)
		})
		t.Run(name+"/health", func(t *testing.T) {
			_, err := host(t).Diagnostics.CheckHealth(patient(t), &pluginv2.CheckHealthRequest{PluginContext: pluginContext})
			if err != nil && status.Code(err) != codes.InvalidArgument {
				t.Errorf("CheckHealth: %v, want an answer or InvalidArgument", err)
			}
			host(t).healthy(t)
		})
		t.Run(name+"/resource", func(t *testing.T) {
			answer := host(t).call(t, &pluginv2.CallResourceRequest{PluginContext: pluginContext, Method: "GET", Path: "kinds", Url: "kinds"})
			if answer.Code != 200 {
				t.Errorf("status %d %s, want 200: kinds depend on no data source", answer.Code, answer.Body)
			}
		})
	}
}

func TestEmptyJSONData(t *testing.T) {
	request := queryRequest(generator, nil, Query{})
	request.PluginContext.DataSourceInstanceSettings.JsonData = nil
	responses, err := host(t).Query(patient(t), request)
	if err != nil {
		t.Fatalf("QueryData: %v", err)
	}
	succeeded(t, "A", responses["A"])
}

func TestChangedSettingsCountAtOnce(t *testing.T) {
	// The same data source, by id, uid and time of its last update, with other settings.
	for _, url := range []string{
		startUpstream(t, contract(always(daily), fiveMinutes)).URL,
		startUpstream(t, contract(always(level), fiveMinutes)).URL,
	} {
		if message := host(t).health(t, httpJSON(url)).Message; !strings.Contains(message, url) {
			t.Errorf("message %q, want %s mentioned", message, url)
		}
	}
	host(t).healthy(t)
}
