// Package jirafake behaves as the part of Jira's REST API v3 does that mailreeve uses: it creates, edits, searches, comments on and transitions issues, refuses
// what Jira refuses, in Jira's JSON, and its search shows an issue only some time after it was made.
package jirafake

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf16"
)

// The account that the server knows, and what it has.
const (
	User    = "bot@platform.example"
	Token   = "ATATT-very-secret"
	Project = "AUDIT"
	Type    = "Task"
)

// An Issue is what the server keeps.
type Issue struct {
	ID, Key     string
	Summary     string
	Labels      []string
	Description json.RawMessage
	Status      string
	Comments    []Comment

	made time.Time
}

// A Comment is one of an issue.
type Comment struct {
	Body       json.RawMessage `json:"body"`
	Properties []Property      `json:"properties"`
}

// A Property is one of a comment.
type Property struct {
	Key   string `json:"key"`
	Value any    `json:"value"`
}

// A Server is a Jira. Its fields are set before it serves.
type Server struct {
	Clock func() time.Time
	Lag   time.Duration // until a search shows what was made
	Stuck bool          // its workflow has no way to Done

	mu     sync.Mutex
	issues []*Issue
	next   int
}

// Issues are those that were made, and not deleted, in order.
func (s *Server) Issues() []Issue {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Issue
	for _, i := range s.issues {
		c := *i
		c.Comments = slices.Clone(i.Comments)
		list = append(list, c)
	}
	return list
}

// Delete deletes an issue, as a person may.
func (s *Server) Delete(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.issues = slices.DeleteFunc(s.issues, func(i *Issue) bool { return i.ID == id })
}

// Move sets an issue's status, as a person may.
func (s *Server) Move(id, status string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := s.issue(id); i != nil {
		i.Status = status
	}
}

// categories of the workflow's statuses: their names are a site's own.
var categories = map[string]string{"Offen": "new", "In Arbeit": "indeterminate", "Fertig": "done"}

// transitions of the workflow, by id.
var transitions = map[string]struct{ from, to string }{"11": {"Offen", "In Arbeit"}, "21": {"Offen", "Fertig"}, "22": {"In Arbeit", "Fertig"}, "31": {"Fertig", "Offen"}}

type object = map[string]any

// ServeHTTP is http.Handler's.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if user, token, ok := r.BasicAuth(); !ok || user != User || token != Token {
		answer(w, http.StatusUnauthorized, nil) // Jira gives HTML or nothing
		return
	}
	path, ok := strings.CutPrefix(r.URL.Path, "/rest/api/3/")
	if !ok {
		answer(w, http.StatusNotFound, nil)
		return
	}
	parts := strings.Split(path, "/")
	switch {
	case r.Method == http.MethodGet && path == "myself":
		answer(w, http.StatusOK, object{"accountId": "5b10", "displayName": "Mailreeve Bot"})
	case r.Method == http.MethodGet && parts[0] == "project" && len(parts) == 2:
		if parts[1] != Project {
			refuse(w, http.StatusNotFound, "No project could be found with key '"+parts[1]+"'.", nil)
			return
		}
		answer(w, http.StatusOK, object{"key": Project, "issueTypes": []object{{"name": Type}, {"name": "Bug"}}})
	case r.Method == http.MethodPost && path == "search/jql":
		s.search(w, body)
	case r.Method == http.MethodPost && path == "issue":
		s.create(w, body)
	case parts[0] == "issue" && len(parts) >= 2:
		i := s.issue(parts[1])
		if i == nil {
			refuse(w, http.StatusNotFound, "Issue does not exist or you do not have permission to see it.", nil)
			return
		}
		s.one(w, r, i, r.Method+" "+strings.Join(parts[2:], "/"), body)
	default:
		answer(w, http.StatusNotFound, nil)
	}
}

func (s *Server) issue(id string) *Issue {
	for _, i := range s.issues {
		if i.ID == id || i.Key == id {
			return i
		}
	}
	return nil
}

var jql = regexp.MustCompile(`^project = "([A-Z][A-Z0-9_]*)" AND labels = "([^" ]+)" ORDER BY created ASC$`)

func (s *Server) search(w http.ResponseWriter, body []byte) {
	var q struct {
		JQL        string
		Fields     []string
		MaxResults int
	}
	if err := json.Unmarshal(body, &q); err != nil {
		refuse(w, http.StatusBadRequest, "Invalid request payload.", nil)
		return
	}
	m := jql.FindStringSubmatch(q.JQL)
	if m == nil {
		refuse(w, http.StatusBadRequest, "Error in the JQL Query.", nil)
		return
	}
	found := []object{}
	for _, i := range s.issues {
		if m[1] == Project && slices.Contains(i.Labels, m[2]) && s.Clock().Sub(i.made) >= s.Lag && len(found) < q.MaxResults {
			found = append(found, object{"id": i.ID, "key": i.Key})
		}
	}
	answer(w, http.StatusOK, object{"issues": found, "isLast": true})
}

type fields struct {
	Project     *struct{ Key string }
	IssueType   *struct{ Name string }
	Summary     *string
	Description json.RawMessage
	Labels      []string
}

func (s *Server) create(w http.ResponseWriter, body []byte) {
	f, errs := check(body, true)
	if len(errs) > 0 {
		refuse(w, http.StatusBadRequest, "", errs)
		return
	}
	s.next++
	i := &Issue{ID: strconv.Itoa(10000 + s.next), Key: fmt.Sprintf("%s-%d", Project, s.next), Summary: *f.Summary, Labels: f.Labels, Description: f.Description, Status: "Offen", made: s.Clock()}
	s.issues = append(s.issues, i)
	answer(w, http.StatusCreated, object{"id": i.ID, "key": i.Key, "self": "https://jira.example/rest/api/3/issue/" + i.ID})
}

// check says what is wrong with fields, as Jira does.
func check(body []byte, create bool) (fields, map[string]string) {
	var in struct{ Fields map[string]json.RawMessage }
	var f struct{ Fields fields }
	errs := map[string]string{}
	if json.Unmarshal(body, &in) != nil || json.Unmarshal(body, &f) != nil {
		errs["fields"] = "data was not an object"
		return f.Fields, errs
	}
	for name := range in.Fields {
		if !slices.Contains([]string{"project", "issuetype", "summary", "description", "labels"}, name) {
			errs[name] = fmt.Sprintf("Field '%s' cannot be set. It is not on the appropriate screen, or unknown.", name)
		}
	}
	if create {
		if f.Fields.Project == nil || f.Fields.Project.Key != Project {
			errs["project"] = "valid project is required"
		}
		if f.Fields.IssueType == nil || f.Fields.IssueType.Name != Type && f.Fields.IssueType.Name != "Bug" {
			errs["issuetype"] = "Specify a valid issue type"
		}
		if f.Fields.Summary == nil || strings.TrimSpace(*f.Fields.Summary) == "" {
			errs["summary"] = "You must specify a summary of the issue."
		}
	}
	if x := f.Fields.Summary; x != nil {
		if strings.ContainsAny(*x, "\r\n") {
			errs["summary"] = "The summary is invalid because it contains newline characters."
		} else if len(utf16.Encode([]rune(*x))) > 255 {
			errs["summary"] = "Summary can't exceed 255 characters."
		}
	}
	for _, l := range f.Fields.Labels {
		if strings.ContainsAny(l, " \t\n") {
			errs["labels"] = "The label '" + l + "' contains spaces which is invalid."
		} else if len(l) > 255 {
			errs["labels"] = "The label '" + l + "' exceeds the maximum length for single label of 255 characters."
		}
	}
	if f.Fields.Description != nil {
		if e := document(f.Fields.Description); e != "" {
			errs["description"] = e
		}
	}
	return f.Fields, errs
}

type node struct {
	Type    string
	Version int
	Text    *string
	Content []node
}

// document says what is wrong with a document; "": nothing.
func document(raw json.RawMessage) string {
	if len(utf16.Encode([]rune(string(raw)))) > 32767 {
		return "CONTENT_LIMIT_EXCEEDED"
	}
	var doc node
	if json.Unmarshal(raw, &doc) != nil || doc.Type != "doc" || doc.Version != 1 {
		return "Operation value must be an Atlassian Document (see the Atlassian Document Format)"
	}
	for _, b := range doc.Content {
		if b.Type != "paragraph" && b.Type != "heading" {
			return "INVALID_INPUT"
		}
		for _, t := range b.Content {
			if t.Type != "text" || t.Text == nil || *t.Text == "" || len(t.Content) > 0 {
				return "INVALID_INPUT"
			}
		}
	}
	return ""
}

// one answers what is asked of an issue.
func (s *Server) one(w http.ResponseWriter, r *http.Request, i *Issue, what string, body []byte) {
	switch what {
	case "GET ":
		answer(w, http.StatusOK, object{"id": i.ID, "key": i.Key, "fields": object{"status": status(i.Status)}})
	case "PUT ":
		f, errs := check(body, false)
		if len(errs) > 0 {
			refuse(w, http.StatusBadRequest, "", errs)
			return
		}
		if f.Description != nil {
			i.Description = f.Description
		}
		answer(w, http.StatusNoContent, nil)
	case "GET comment":
		list := []object{}
		for _, c := range slices.Backward(i.Comments) {
			o := object{"body": c.Body}
			if r.URL.Query().Get("expand") == "properties" {
				o["properties"] = c.Properties
			}
			list = append(list, o)
		}
		answer(w, http.StatusOK, object{"comments": list, "total": len(list)})
	case "POST comment":
		var c Comment
		if json.Unmarshal(body, &c) != nil || document(c.Body) != "" {
			refuse(w, http.StatusBadRequest, "", map[string]string{"comment": "Comment body is not valid!"})
			return
		}
		i.Comments = append(i.Comments, c)
		answer(w, http.StatusCreated, object{"id": strconv.Itoa(len(i.Comments))})
	case "GET transitions":
		list := []object{}
		for id, t := range transitions {
			if t.from == i.Status && !(s.Stuck && t.to == "Fertig") {
				list = append(list, object{"id": id, "name": "nach " + t.to, "to": status(t.to)})
			}
		}
		answer(w, http.StatusOK, object{"transitions": list})
	case "POST transitions":
		var x struct{ Transition struct{ ID string } }
		err := json.Unmarshal(body, &x)
		t, ok := transitions[x.Transition.ID]
		if err != nil || !ok || t.from != i.Status || s.Stuck && t.to == "Fertig" {
			refuse(w, http.StatusBadRequest, "It seems that you have tried to perform a workflow operation that is not valid for the current state of this issue.", nil)
			return
		}
		i.Status = t.to
		answer(w, http.StatusNoContent, nil)
	default:
		answer(w, http.StatusMethodNotAllowed, nil)
	}
}

func status(name string) object {
	return object{"name": name, "statusCategory": object{"key": categories[name]}}
}

func refuse(w http.ResponseWriter, status int, message string, errs map[string]string) {
	messages := []string{}
	if message != "" {
		messages = append(messages, message)
	}
	if errs == nil {
		errs = map[string]string{}
	}
	answer(w, status, object{"errorMessages": messages, "errors": errs})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	if body != nil {
		_ = json.NewEncoder(w).Encode(body) // who asked may be gone
	}
}
