package conformance

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/genproto/pluginv2"
)

// noon is the end of most ranges: a fixed time in the past, off every grid, so that answers do not
// depend on when the tests run.
var noon = time.Date(2024, time.March, 13, 12, 3, 21, 456_000_000, time.UTC)

// JSON is an object in a request.
type JSON map[string]any

func (j JSON) String() string {
	raw, err := json.Marshal(j)
	if err != nil {
		panic(err)
	}
	return string(raw)
}

// Settings are a data source's settings. JSONData is sent as it stands, malformed or not; the
// empty string stands for {}.
type Settings struct {
	URL           string
	BasicAuth     bool
	BasicAuthUser string
	JSONData      string
	Secrets       map[string]string
}

// generator is a data source of which nothing was configured.
var generator = Settings{}

// httpJSON is a data source that queries a server.
func httpJSON(url string, options ...JSON) Settings {
	jsonData := JSON{"source": "http-json", "timeout": 30}
	for _, each := range options {
		for key, value := range each {
			jsonData[key] = value
		}
	}
	return Settings{URL: url, JSONData: jsonData.String()}
}

// context is the plugin context that Grafana builds from the settings.
func (s Settings) context() *pluginv2.PluginContext {
	jsonData := s.JSONData
	if jsonData == "" {
		jsonData = "{}"
	}
	return backend.ToProto().PluginContext(backend.PluginContext{
		OrgID:         1,
		PluginID:      PluginID,
		PluginVersion: "0.1.0",
		User:          &backend.User{Login: "viewer", Name: "A Viewer", Email: "viewer@example.org", Role: "Viewer"},
		DataSourceInstanceSettings: &backend.DataSourceInstanceSettings{
			ID:                      7,
			UID:                     "conformance",
			Type:                    PluginID,
			Name:                    "Conformance",
			URL:                     s.URL,
			BasicAuthEnabled:        s.BasicAuth,
			BasicAuthUser:           s.BasicAuthUser,
			JSONData:                []byte(jsonData),
			DecryptedSecureJSONData: s.Secrets,
			Updated:                 time.Date(2024, time.March, 1, 0, 0, 0, 0, time.UTC),
		},
	})
}

// Query is one query of a request. The zero RefID is A, the zero range the 24 hours before noon,
// the zero MaxDataPoints 10000, and the zero JSON {}.
type Query struct {
	RefID         string
	JSON          string
	From, To      time.Time
	MaxDataPoints int64
}

// query is a query with options and a range that ends at noon.
func query(options JSON, history time.Duration) Query {
	return Query{JSON: options.String(), From: noon.Add(-history), To: noon}
}

func (q Query) proto() *pluginv2.DataQuery {
	if q.RefID == "" {
		q.RefID = "A"
	}
	if q.JSON == "" {
		q.JSON = "{}"
	}
	if q.To.IsZero() {
		q.To = noon
	}
	if q.From.IsZero() {
		q.From = q.To.Add(-24 * time.Hour)
	}
	if q.MaxDataPoints == 0 {
		q.MaxDataPoints = 10_000
	}
	return &pluginv2.DataQuery{
		RefId:         q.RefID,
		MaxDataPoints: q.MaxDataPoints,
		IntervalMS:    q.To.Sub(q.From).Milliseconds() / q.MaxDataPoints,
		TimeRange:     &pluginv2.TimeRange{FromEpochMS: q.From.UnixMilli(), ToEpochMS: q.To.UnixMilli()},
		Json:          []byte(q.JSON),
	}
}

func queryRequest(settings Settings, headers map[string]string, queries ...Query) *pluginv2.QueryDataRequest {
	request := &pluginv2.QueryDataRequest{PluginContext: settings.context(), Headers: headers}
	for _, each := range queries {
		request.Queries = append(request.Queries, each.proto())
	}
	return request
}

// Query sends a request as it stands and decodes the answer with the SDK.
func (p *Plugin) Query(ctx context.Context, request *pluginv2.QueryDataRequest) (backend.Responses, error) {
	response, err := p.Data.QueryData(ctx, request)
	if err != nil {
		return nil, err
	}
	decoded, err := backend.FromProto().QueryDataResponse(response)
	if err != nil {
		return nil, err
	}
	return decoded.Responses, nil
}

// ask sends queries that the plugin has to answer, each in some way.
func (p *Plugin) ask(t *testing.T, settings Settings, queries ...Query) backend.Responses {
	t.Helper()
	return p.askWith(t, settings, nil, queries...)
}

func (p *Plugin) askWith(t *testing.T, settings Settings, headers map[string]string, queries ...Query) backend.Responses {
	t.Helper()
	request := queryRequest(settings, headers, queries...)
	responses, err := p.Query(patient(t), request)
	if err != nil {
		t.Fatalf("QueryData: %v", err)
	}
	for _, each := range request.Queries {
		if _, answered := responses[each.RefId]; !answered {
			t.Fatalf("no answer for refId %q", each.RefId)
		}
	}
	if len(responses) != len(request.Queries) {
		t.Fatalf("%d answers for %d queries", len(responses), len(request.Queries))
	}
	return responses
}

// frames sends one query that has to succeed.
func (p *Plugin) frames(t *testing.T, settings Settings, query Query) Answer {
	t.Helper()
	return p.framesWith(t, settings, nil, query)
}

func (p *Plugin) framesWith(t *testing.T, settings Settings, headers map[string]string, query Query) Answer {
	t.Helper()
	for refID, response := range p.askWith(t, settings, headers, query) {
		return succeeded(t, refID, response)
	}
	panic("unreachable: askWith saw to one answer")
}

// refusal sends one query that has to fail, and is the answer.
func (p *Plugin) refusal(t *testing.T, settings Settings, query Query) backend.DataResponse {
	t.Helper()
	for refID, response := range p.ask(t, settings, query) {
		refused(t, refID, response)
		return response
	}
	panic("unreachable: ask saw to one answer")
}

// succeeded checks that a query was answered without an error.
func succeeded(t *testing.T, refID string, response backend.DataResponse) Answer {
	t.Helper()
	if response.Error != nil {
		t.Fatalf("query %s failed with status %d: %v", refID, response.Status, response.Error)
	}
	if response.Status != backend.StatusOK {
		t.Fatalf("query %s: status %d, want 200", refID, response.Status)
	}
	if len(response.Frames) == 0 {
		t.Fatalf("query %s: no frames; no data is one frame without fields", refID)
	}
	for index, frame := range response.Frames {
		if frame.RefID != refID {
			t.Errorf("query %s: frame %d has refId %q", refID, index, frame.RefID)
		}
	}
	return Answer(response.Frames)
}

// refused checks that a query was answered with an error of the agreed form, and nothing else.
func refused(t *testing.T, refID string, response backend.DataResponse) {
	t.Helper()
	if response.Error == nil {
		t.Fatalf("query %s succeeded with %d frames, want an error", refID, len(response.Frames))
	}
	if response.Status < 400 || response.Status > 599 {
		t.Errorf("query %s: status %d, want 4xx or 5xx (error %v)", refID, response.Status, response.Error)
	}
	if len(response.Frames) != 0 {
		t.Errorf("query %s: %d frames beside the error, want none", refID, len(response.Frames))
	}
	if !categorised.MatchString(response.Error.Error()) {
		t.Errorf("query %s: error %q, want it to begin with [category]", refID, response.Error)
	}
}

// mentions checks that a text says what its reader needs.
func mentions(t *testing.T, text string, wanted ...string) {
	t.Helper()
	for _, each := range wanted {
		if !strings.Contains(text, each) {
			t.Errorf("want %q mentioned in: %s", each, text)
		}
	}
}

// health asks for "Save & test".
func (p *Plugin) health(t *testing.T, settings Settings) *backend.CheckHealthResult {
	t.Helper()
	response, err := p.Diagnostics.CheckHealth(patient(t), &pluginv2.CheckHealthRequest{PluginContext: settings.context()})
	if err != nil {
		t.Fatalf("CheckHealth: %v", err)
	}
	return backend.FromProto().CheckHealthResponse(response)
}

// healthy checks that the plugin still answers.
func (p *Plugin) healthy(t *testing.T) {
	t.Helper()
	if result := p.health(t, generator); result.Status != backend.HealthStatusOk {
		t.Fatalf("health of the generator: %v %q, want OK", result.Status, result.Message)
	}
}
