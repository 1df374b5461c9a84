package mailkind

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// senderWords holds, by kind, beginnings of words in the names of senders, folded.
func senderWords() map[string]string {
	return map[string]string{
		ErrorReports:       "monitor nagios cron jenkins sentry grafana zabbix icinga uptime build builds pipeline ci alertmanager pagerduty uberwach errors crash watchdog supervision backup devops 監視 障害",
		SecurityAlerts:     "securit sicherheit segurid seguran identity account-sec password anmeldung fraud betrug セキュリティ 認証",
		SubscribedAlerts:   "notification alert digest watch benachricht alerte alerta aviso notificac meldung お知らせメール 通知 アラート",
		UserInvitations:    "invite invit einladung share partage compart 招待 共有",
		ConnectMailService: "mailbox postfach forwarding mailer setup smtp imap relay",
		UserSync:           "sync ldap idm directory verzeichnis annuaire director scim provision integrac identit abgleich 同期 連携 名簿",
		CompanyEvents:      "event evento evenement evenement veranstalt webinar seminar meetup convite kongress congres messe salon feria feira conference conferenc konferenz summit forum expo rsvp セミナー イベント 展示会",
		Marketing:          "newsletter news angebot offer ofert offre promo marketing boletin boletim gazette magazin shop store deals actu novedad novidad research insights rabatt sale boutique tienda loja umfrage survey メルマガ ニュース 通販 ショップ 編集部 旅",
		TrainingOnboarding: "academ akadem escuela schulung training learn onboard welcome curso course formation formacion formacao tips willkommen bienven kurs campus schule school アカデミー 研修 講座 スクール サポートデスク",
		RenewalReminders:   "renew verlanger vertrag renouvel renova subscription abo abonn suscripc assinatur lizenz licen membership mitglied vencim 更新 契約",
		Other:              "billing receipt invoice rechnung factur fatura buchhaltung order bestell commande pedido support ticket kundenservice export orders booking reserv hr payroll fiscal 請求 経理 注文 予約",
	}
}

// A sender's name, and what stands before its @, often say what it sends.
func (m *Mail) senderSigns() []sign {
	from := cut(m.header.Get("From"), 2000)
	name, local := "", ""
	if i := strings.LastIndexByte(from, '<'); i >= 0 {
		name = headerText(from[:i])
		from = from[i+1:]
	}
	local, _, _ = strings.Cut(from, "@")
	t := fold(name + " " + local)
	wide := string(fold(name).wide)
	var out []sign
	for _, kind := range Kinds() {
		for stem := range strings.FieldsSeq(senderWords()[kind]) {
			found := false
			if strings.IndexFunc(stem, func(r rune) bool { return r > unicode.MaxLatin1 }) >= 0 {
				found = strings.Contains(wide, stem)
			} else {
				found = slices.ContainsFunc(t.tokens, func(t token) bool { return strings.HasPrefix(t.word, stem) && (len(stem) > 3 || t.word == stem) })
			}
			if found {
				out = append(out, sign{kind, "header From: a sender's name that says so", fromSender})
				break
			}
		}
	}
	return out
}

// traces are what programs print where they fail.
var traces = regexp.MustCompile(`[a-z](?:Error|Exception)\b|\bat [\w$.<>]+\s?\(|\w\.(?:go|py|js|ts|tsx|java|rb|php|cs|swift|kt|rs|cpp|sh|sql):\d+|\bFile ".+", line \d+|\bline \d+:|(?:^|\s)(?:FATAL|ERROR|CRITICAL|PANIC)\b|\bpanic: |\bexit(?:ed)?(?: with)?(?: code| status)? \d|\b(?:HTTP|Error|Status|Fehler|Erreur|Erro) ?[45]\d\d\b|\bE(?:CONN|TIMED|ACCES|NOENT)[A-Z]*\b|\bSQLSTATE|\bTraceback\b|\[(?:FIRING|PROBLEM|ALERT|DOWN|CRITICAL)\b|\bSIG[A-Z]{3,5}\b|\bORA-\d+`)

func traceSigns(subject, text string) []sign {
	const most, line = 3, 400 // of short lines an expression is found several times as fast
	n := 0
	for l := range strings.Lines(cut(subject, 2000) + "\n" + cut(text, 2500)) {
		for ; l != "" && n < most; l = l[min(line, len(l)):] {
			n += len(traces.FindAllStringIndex(l[:min(line, len(l))], most-n))
		}
	}
	if n == 0 {
		return nil
	}
	return []sign{{ErrorReports, "structure: what a program prints where it fails", fromTrace * min(1, 0.5+0.25*float64(n))}}
}
