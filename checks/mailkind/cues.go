package mailkind

// The kinds of mail: the purposes that can be approved, those that never are, and all else.
const (
	ErrorReports       = "error-reports"
	SecurityAlerts     = "security-alerts"
	SubscribedAlerts   = "subscribed-alerts"
	UserInvitations    = "user-invitations"
	ConnectMailService = "connect-mail-service"
	UserSync           = "user-sync"
	CompanyEvents      = "company-events"
	Marketing          = "marketing"
	TrainingOnboarding = "training-onboarding"
	RenewalReminders   = "renewal-reminders"
	Other              = "other"
)

// Kinds are all kinds, in the order in which they win where a mail is as much of one as of another.
func Kinds() []string {
	return []string{
		SecurityAlerts, RenewalReminders, UserInvitations, CompanyEvents, ErrorReports, ConnectMailService, UserSync, SubscribedAlerts, TrainingOnboarding,
		Marketing, Other,
	}
}

// cue is something that wordings say. Each speaks for one kind. jobFailed is the first, appointment the last.
type cue int

const (
	jobFailed cue = iota
	alarm
	trace
	signIn
	accessChanged
	signInCode
	notYou
	incident
	watched
	activity
	digest
	notificationSettings
	invitedBy
	invitationAccept
	mailConnected
	mailSetup
	usersSynced
	syncDetails
	eventInvitation
	eventRegister
	eventDetails
	offer
	upgrade
	news
	comeBack
	survey
	occasion
	shop
	content
	marketingFooter
	welcome
	firstSteps
	tips
	trialEnds
	renews
	renewAct
	invoice
	order
	reset
	confirm
	ticket
	terms
	asked
	appointment
)

// meaning is what a cue speaks for, how much, and how a sign says it to a reviewer.
type meaning struct {
	kind   string
	weight float64
	says   string
}

func meaningOf(c cue) meaning {
	switch c {
	case jobFailed:
		return meaning{ErrorReports, 4.5, "a job, build or run that failed"}
	case alarm:
		return meaning{ErrorReports, 4, "an alarm about errors, load or availability"}
	case trace:
		return meaning{ErrorReports, 2, "details of an error"}
	case signIn:
		return meaning{SecurityAlerts, 5, "a new sign-in or device"}
	case accessChanged:
		return meaning{SecurityAlerts, 5, "a change of password, settings or access"}
	case signInCode:
		return meaning{SecurityAlerts, 4.5, "a code to sign in with"}
	case notYou:
		return meaning{SecurityAlerts, 2.5, "what to do if it was not you"}
	case incident:
		return meaning{SecurityAlerts, 4.5, "suspicious activity, a breach or a vulnerability"}
	case watched:
		return meaning{SubscribedAlerts, 4.5, "something that is watched or subscribed to"}
	case activity:
		return meaning{SubscribedAlerts, 3.5, "a comment, mention, assignment or change"}
	case digest:
		return meaning{SubscribedAlerts, 3, "a digest of activity"}
	case notificationSettings:
		return meaning{SubscribedAlerts, 1.2, "settings of notifications"}
	case invitedBy:
		return meaning{UserInvitations, 5.5, "somebody who invites to join or collaborate"}
	case invitationAccept:
		return meaning{UserInvitations, 2.5, "accepting an invitation"}
	case mailConnected:
		return meaning{ConnectMailService, 5, "a mailbox or mail service that is connected"}
	case mailSetup:
		return meaning{ConnectMailService, 2.5, "setting up a mailbox, forwarding or a domain for mail"}
	case syncDetails:
		return meaning{UserSync, 2.5, "a directory, or what was taken over from it"}
	case usersSynced:
		return meaning{UserSync, 5, "users that are synchronised with another system"}
	case eventInvitation:
		return meaning{CompanyEvents, 4.5, "an invitation to an event, webinar or meeting of a company"}
	case eventRegister:
		return meaning{CompanyEvents, 3, "registering for an event"}
	case eventDetails:
		return meaning{CompanyEvents, 1.8, "speakers, agenda or venue"}
	case offer:
		return meaning{Marketing, 3.5, "an offer, a lower price or a coupon"}
	case upgrade:
		return meaning{Marketing, 3.5, "an upgrade or a plan to buy"}
	case news:
		return meaning{Marketing, 3.8, "a newsletter or news of a product"}
	case comeBack:
		return meaning{Marketing, 4, "asking a customer to come back"}
	case survey:
		return meaning{Marketing, 4, "asking for an opinion"}
	case occasion:
		return meaning{Marketing, 3.5, "a season's greeting, a birthday or a referral"}
	case shop:
		return meaning{Marketing, 2, "urging to buy"}
	case content:
		return meaning{Marketing, 3, "a guide, case study or demonstration on offer"}
	case marketingFooter:
		return meaning{Marketing, 1.2, "a footer of marketing mail"}
	case welcome:
		return meaning{TrainingOnboarding, 4, "a welcome to a new user"}
	case firstSteps:
		return meaning{TrainingOnboarding, 3, "first steps with a product"}
	case tips:
		return meaning{TrainingOnboarding, 4, "tips, tutorials or courses"}
	case trialEnds:
		return meaning{RenewalReminders, 5, "a trial that ends"}
	case renews:
		return meaning{RenewalReminders, 5, "a subscription or licence that expires or renews"}
	case renewAct:
		return meaning{RenewalReminders, 2.2, "renewing, or losing access"}
	case invoice:
		return meaning{Other, 4.5, "an invoice, receipt or payment"}
	case order:
		return meaning{Other, 4.5, "an order or a delivery"}
	case reset:
		return meaning{Other, 5.5, "a password reset that was asked for"}
	case confirm:
		return meaning{Other, 3.5, "confirming an address or a request"}
	case ticket:
		return meaning{Other, 4.5, "a support request"}
	case terms:
		return meaning{Other, 5, "a change of terms, or planned maintenance"}
	case asked:
		return meaning{Other, 4.5, "an export or report that was asked for, or the end of an account"}
	default: // appointment
		return meaning{Other, 3, "an appointment or a message between people"}
	}
}

// tongue is a language, with what is said in it for each cue.
type tongue struct {
	name  string
	words map[cue][]string
}

func tongues() []tongue {
	return []tongue{{"en", inEnglish()}, {"de", inGerman()}, {"fr", inFrench()}, {"es", inSpanish()}, {"pt", inPortuguese()}, {"ja", inJapanese()}}
}
