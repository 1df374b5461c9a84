package api

// A Route is a route for tests that hold it against the description.
type Route struct {
	Method, Path string
	Scopes       []Scope
	Params       map[string]bool // by name: whether it may be given more than once
}

// Routes lists all that need a token.
func Routes() (list []Route) {
	for _, r := range New(Config{}).routes() {
		x := Route{r.method, r.path, r.scopes, map[string]bool{}}
		for _, p := range r.params {
			x.Params[p.name] = p.many
		}
		list = append(list, x)
	}
	return list
}
