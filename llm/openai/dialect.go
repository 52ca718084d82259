package openai

import (
	"regexp"
	"slices"
	"sync"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// A dialect is the profile for requests to one model, with all changes so far.
// A dialect is never changed, except that its first request makes the plan.
type dialect struct {
	profile Profile
	notes   []string
	media   *refusedMedia

	planned sync.Once
	plan    *encodingPlan
}

// dialects holds the dialects of a client by model. It is safe for concurrent
// use.
type dialects struct {
	mu      sync.Mutex
	byModel map[string]*dialect
}

// of returns the dialect of the model, initially with the given profile.
func (d *dialects) of(model string, profile func(string) (Profile, error)) (*dialect, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if known, ok := d.byModel[model]; ok {
		return known, nil
	}
	p, err := profile(model)
	if err != nil {
		return nil, err
	}
	if d.byModel == nil {
		d.byModel = map[string]*dialect{}
	}
	d.byModel[model] = &dialect{profile: p}
	return d.byModel[model], nil
}

// A profileChange is a remedy that helps. A change for one request only is not
// remembered: the provider refused the value in this request, not the member.
type profileChange struct {
	remedy remedy
	note   string
	once   bool
}

// refusedValue matches refusals of a value. If the provider takes only a single value,
// the member is left out from now on. Providers refuse the role developer in every
// message, and allowed_tools in every choice among tools.
var (
	refusedValue = regexp.MustCompile(`(?i)unsupported[ _]value|supported values are|does not support ['"\d]|invalid schema for`)
	singleValue  = regexp.MustCompile(`(?i)only \S+ (is|value)|only the default|'developer'`)
)

func forOnce(e *llm.APIError) bool {
	text := e.Message + "\n" + e.Code
	return refusedValue.MatchString(text) && !singleValue.MatchString(text) && !allowedRefused.MatchString(text)
}

// changes returns the changes of the profile that follow from the refusal e of a
// request in d. helps reports whether a profile changes the request body since the
// previous call of helps; the first call compares with d.
func (d *dialect) changes(e *llm.APIError, helps func(*Profile) bool) (found []profileChange) {
	sofar := d.profile
	try := func(r remedy) bool {
		if !r.fits(e) {
			return false
		}
		p := sofar.clone()
		what := r.learn(&p, e)
		if what == "" || slices.Contains(d.notes, what) || !helps(&p) {
			return false
		}
		sofar, found = p, append(found, profileChange{r, what, forOnce(e)})
		return true
	}
	for _, r := range remedies {
		if try(r) {
			if r.alone {
				return found
			}
			break
		}
	}
	if sofar.API == d.profile.API { // after a change of the API, the members may be accepted
		try(omitKeywordsRemedy)
		try(leaveOutRemedy)
	}
	return found
}

// apply returns the dialect for the second attempt, and the new notes. There is no
// new note if a concurrent request has made the same changes.
func (d *dialects) apply(model string, e *llm.APIError, lessons []profileChange) (*dialect, []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	present := d.byModel[model]
	next := &dialect{profile: present.profile.clone(), notes: slices.Clone(present.notes), media: present.media}
	keep := true
	var news []string
	for _, l := range lessons {
		if !slices.Contains(present.notes, l.note) {
			l.remedy.learn(&next.profile, e)
			next.notes, news = append(next.notes, l.note), append(news, l.note)
			keep = keep && !l.once
		}
	}
	if keep {
		d.byModel[model] = next
	}
	return next, news
}

// withMedia returns present with further refused media.
func (d *dialects) withMedia(model string, present *dialect, u *refusedMedia) *dialect {
	d.mu.Lock()
	defer d.mu.Unlock()
	next := &dialect{profile: present.profile.clone(), notes: present.notes, media: u}
	if latest := d.byModel[model]; latest != present { // a concurrent request changed the profile
		next = &dialect{profile: latest.profile.clone(), notes: latest.notes, media: latest.media.with(u.kinds, u.parts)}
	}
	d.byModel[model] = next
	return next
}

// withAPI returns to the API of present. All other changes in tried stay. The note of
// the change stays, too, so that no later request tries the missing API.
func (d *dialects) withAPI(model string, tried, present *dialect) *dialect {
	d.mu.Lock()
	defer d.mu.Unlock()
	next := &dialect{profile: tried.profile.clone(), notes: tried.notes, media: tried.media}
	next.profile.API = present.profile.API
	if d.byModel[model] == tried {
		d.byModel[model] = next
	}
	return next
}

// revert reverts a change that did not help, unless there was a later change.
func (d *dialects) revert(model string, from, to *dialect) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.byModel[model] == from {
		d.byModel[model] = to
	}
}
