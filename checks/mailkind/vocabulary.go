package mailkind

import (
	"slices"
	"strings"
)

// vocabulary holds, by language and kind, single words that mails of that kind use more than others. One of them says nothing, several say something.
// A word that ends with ~ is the beginning of words.
func vocabulary() map[string]map[string]string {
	return map[string]map[string]string{
		"en": {
			ErrorReports:       "error errors failed failure failures fail timeout exception retry retried crash crashed token unavailable refused refreshed invalid column stack log logs runtimeerror keyerror typeerror nullpointerexception server job worker production seen unreachable deploy build import traceback file line",
			SecurityAlerts:     "password security sign login signin device devices browser unusual unknown suspicious account ip location session sessions token code verify verification authentication attacker protect secure blocked locked unauthorized",
			SubscribedAlerts:   "comment comments commented answered replied issue issues page watch watching follow following mute unwatch alert digest snapshot scheduled discussion thread mentioned assigned assignee resolved updated dashboard filter task tasks ticket closed edited status priority limit passed schedule",
			UserInvitations:    "invited invitation invite join team workspace colleague teammate editor guest member accept decline shared share collaborate together board project access expires",
			ConnectMailService: "mailbox inbox imap smtp gmail outlook exchange forwarding forwarded connected connect mail email messages attachments disconnect domain dkim",
			UserSync:           "users groups members sync synced synchronized directory okta ldap scim azure workday added removed deactivated copied matched accounts provisioning",
			CompanyEvents:      "invited join event webinar conference summit meetup stage talk talks stand booth venue date register seats music food drinks barbecue guests evening speakers agenda party live attend coming rsvp hall expo tour summer night",
			Marketing:          "new free offer save buy discount price deal gift loyal customers customer discover exclusive now today love plus premium fresh favourite favorite faster community blog read everything shop upgrade plan months launch marketplace grow boost popular best winter spring summer autumn sales product products features",
			TrainingOnboarding: "welcome learn guide video videos step steps start started tips lesson course training tutorial setup first basics show shows mails weeks useful practice academy exam certified admin happy tour how",
			RenewalReminders:   "expires expire renew renewal renewed trial subscription license licence ends end left over until days week plan keep charged cancel maintenance period edition monthly yearly",
			Other:              "invoice receipt order payment paid amount total balance statement bill delivery shipped booking request support ticket confirm reset appointment refund terms privacy maintenance address",
		},
		"de": {
			ErrorReports:       "fehler fehlgeschlagen abgebrochen abbruch zeituberschreitung protokoll ungultig server auftrag stoerung storung ausfall import erneut ursache dienst quelle quellen",
			SecurityAlerts:     "passwort kennwort anmeldung anmeldeversuch gerat sicherheit konto code unbekannt~ ungewohnlich~ zugriff gesperrt blockiert verdachtig~ jemand schwachstelle",
			SubscribedAlerts:   "kommentar kommentiert antwort vorgang seite beobachten folgen aufgabe status zugewiesen bearbeitet geandert diskussion filter alarm zusammenfassung erledigt benachrichtigung",
			UserInvitations:    "eingeladen einladung team beitreten projekt kollegin kollege annehmen gemeinsam mitarbeiten freigegeben geteilt arbeitsbereich zugriff",
			ConnectMailService: "postfach mailkonto imap smtp gmail outlook weiterleitung verbunden verbinden nachrichten mails anhange",
			UserSync:           "benutzer nutzer konten gruppen mitglieder abgleich synchronisiert verzeichnis angelegt deaktiviert ldap",
			CompanyEvents:      "veranstaltung webinar messe stand halle konferenz anmelden teilnahme platze vortrage vortrag gaste abend treffen termin fachleuten freikarten uhr programm feiern",
			Marketing:          "neu neue neues neueste angebot angebote sparen rabatt gratis geschenkt kunden kundinnen liebe entdecken jetzt exklusiv preis newsletter heft lesen schneller look shop bucht kostenlos vorteil lieblings~ alles austragen",
			TrainingOnboarding: "willkommen lernen video schritt schritte tipps anleitung kurs schulung einstieg start erste ersten uben grundlagen so zeigen leitfaden heute",
			RenewalReminders:   "lauft endet verlangern verlangerung lizenz abo abonnement testphase testzugang vertrag ablauf tage bis buchung weiterhin kundigen verlangert",
			Other:              "rechnung bestellung zahlung betrag lieferung paket anfrage bestatigen termin quittung offen versandt wartung datenschutz",
		},
		"fr": {
			ErrorReports:       "erreur erreurs echec echoue interrompu jeton delai serveur journal invalide relancer tache sources introuvable refuse",
			SecurityAlerts:     "connexion securite appareil compte code suspect~ inhabituel~ bloque passe tentative inconnu proteger",
			SubscribedAlerts:   "commentaire commente reponse ticket page suivez suivi alerte resume tache statut assigne modifie discussion notification filtre",
			UserInvitations:    "invite invitation rejoindre equipe projet collegue accepter ensemble partage partagez espace acces attend collaborer",
			ConnectMailService: "boite messagerie imap smtp gmail outlook transfert connectee connecte messages pieces",
			UserSync:           "utilisateurs comptes groupes membres synchronisation annuaire crees desactives ldap copies",
			CompanyEvents:      "evenement webinaire salon stand conference inscription inscrivez places soiree rendez rencontre retrouvez participe participez programme atelier date invite passez",
			Marketing:          "nouveau nouveaute nouveautes offre offres profitez remise gratuit offerts cadeau clients decouvrez exclusif prix newsletter lire printemps ete code promo boutique fete",
			TrainingOnboarding: "bienvenue apprendre video etape etapes astuces guide cours formation debuter commencer premiers premiere prise suivez reglages",
			RenewalReminders:   "expire expiration renouveler renouvellement licence abonnement essai contrat echeance termine jours reconduit preleve resilier formule",
			Other:              "facture commande paiement montant livraison colis demande confirmer rendez recu livre maintenance confidentialite",
		},
		"es": {
			ErrorReports:       "error errores fallo fallado fallida interrumpida token espera servidor registro invalido reintentar tarea fuentes",
			SecurityAlerts:     "contrasena acceso seguridad dispositivo cuenta codigo sospechos~ inusual bloqueado intento sesion desconocido alguien",
			SubscribedAlerts:   "comentario comento respuesta incidencia pagina sigues vigilas alerta aviso resumen tarea estado asignado editado filtro limite borrar",
			UserInvitations:    "invitado invitacion invita unirte equipo proyecto companero aceptar acepta juntos compartido espacio acceso colaborar",
			ConnectMailService: "buzon correo imap smtp gmail outlook reenvio conectado conectada mensajes adjuntos",
			UserSync:           "usuarios cuentas grupos miembros sincronizacion directorio creados desactivados ldap copiaron",
			CompanyEvents:      "evento webinar feria stand conferencia inscripcion inscribete plazas ponencias encuentro esperamos nos vemos cafe programa taller fecha invitado pasate",
			Marketing:          "nuevo nueva novedades oferta ofertas aprovecha descuento gratis regalo clientes descubre exclusivo precio boletin leer primavera verano contrata paga tienda",
			TrainingOnboarding: "bienvenido bienvenida aprender aprende video paso pasos consejos guia curso formacion empezar primeros primera basico",
			RenewalReminders:   "vence caduca renovar renovacion licencia suscripcion prueba contrato termina acaba queda quedan dias semana mes anual mensual plan",
			Other:              "factura pedido pago importe envio paquete solicitud confirmar cita recibo entrega mantenimiento privacidad",
		},
		"pt": {
			ErrorReports:       "erro erros falha falhou interrompida token tempo servidor log invalido novamente tarefa fontes",
			SecurityAlerts:     "senha acesso seguranca dispositivo conta codigo suspeit~ incomum bloqueado tentativa login desconhecido alguem",
			SubscribedAlerts:   "comentario comentou resposta tarefa pagina acompanha segue alerta aviso resumo status atribuida editou filtro limite excluir",
			UserInvitations:    "convidou convite convidado equipe equipa projeto colega aceitar aceite juntos compartilhou partilhou espaco acesso colaborar participe",
			ConnectMailService: "caixa email imap smtp gmail outlook encaminhamento conectada ligada mensagens anexos chegarem",
			UserSync:           "usuarios utilizadores contas grupos membros sincronizacao diretorio criados desativados ldap copiados",
			CompanyEvents:      "evento webinar feira stand conferencia inscricao inscreva vagas palestra palestras encontro esperamos visite cafe programa oficina data convidado assista",
			Marketing:          "novo nova novidades oferta ofertas aproveite desconto gratis presente clientes descubra exclusivo preco boletim leia primavera verao assinar ganha loja",
			TrainingOnboarding: "bem vindo aprender aprenda video passo passos dicas guia curso formacao comecar primeiros primeira basico",
			RenewalReminders:   "vence expira renovar renovacao licenca assinatura subscricao teste contrato termina acaba restam dias semana mes anual mensal plano continuar",
			Other:              "fatura pedido pagamento valor envio encomenda solicitacao confirmar consulta recibo entrega manutencao privacidade",
		},
		"ja": {
			ErrorReports:       "エラー 失敗 異常 タイムアウト ログ 無効 障害 再実行 停止",
			SecurityAlerts:     "パスワード ログイン 端末 セキュリティ 不正 認証 アカウント ロック 心当たり アクセス",
			SubscribedAlerts:   "コメント 返信 課題 ページ ウォッチ フォロー アラート ダイジェスト 担当 更新されました 編集 ステータス 通知",
			UserInvitations:    "招待 チーム 参加 メンバー プロジェクト 共有 さんが 一緒",
			ConnectMailService: "メールボックス 受信 転送 接続 imap gmail outlook 添付",
			UserSync:           "ユーザー グループ 同期 ディレクトリ 追加 無効化 メンバー",
			CompanyEvents:      "開催 ご来場 会場 日時 定員 出展 ブース セミナー 展示会 講演 参加 お申し込み ご招待",
			Marketing:          "割引 キャンペーン お得 限定 プレゼント おすすめ 新機能 特典 無料 記事 編集部 事例 お客様 号 掲載 人気",
			TrainingOnboarding: "ようこそ 使い方 始め方 ステップ 動画 講座 基本 ヒント ガイド 最初 第1回 活用",
			RenewalReminders:   "期限 更新 契約 終了 トライアル 無料期間 ライセンス 継続 満了 年払い 月払い 有料版",
			Other:              "請求書 領収書 注文 お支払い 発送 受付 お問い合わせ 予約 確認 メンテナンス 規約",
		},
	}
}

// commonWords are words by which a language is told.
func commonWords() map[string]string {
	return map[string]string{
		"en": "the and you your is are to of for with this that we it in on have was has from not",
		"de": "der die das und sie ihr ihre ist sind zu fur mit wir nicht ein eine den dem auf wurde haben bei du dein von",
		"fr": "le la les et vous votre est sont de des pour avec nous ne pas un une du dans sur a ete ce au",
		"es": "el la los y tu su es son de para con no un una en que te se ha del al por este tus",
		"pt": "o a os e voce seu sua esta sao de para com nao um uma em que se foi do da no na seus por ao",
	}
}

// language tells the language of a text; empty where none stands out. Japanese is told by its letters.
func language(t text) string {
	if len(t.wide) > 0 && len(t.wide)*3 > 2*len(t.tokens) {
		for _, r := range t.wide {
			if r >= 0x3041 && r <= 0x30ff {
				return "ja"
			}
		}
	}
	count := map[string]int{}
	for lang, words := range commonWords() {
		list := strings.Fields(words)
		for _, tok := range t.tokens[:min(len(t.tokens), 400)] {
			if slices.Contains(list, tok.word) {
				count[lang]++
			}
		}
	}
	best, next := "", 0
	for _, lang := range []string{"en", "de", "fr", "es", "pt"} {
		switch n := count[lang]; {
		case best == "" || n > count[best]:
			if best != "" {
				next = max(next, count[best])
			}
			best = lang
		case n > next:
			next = n
		}
	}
	if count[best] < 3 || count[best] <= next {
		return ""
	}
	return best
}

const (
	perWord       = 0.62 // what a word of a kind's vocabulary counts
	maxVocabulary = 5    // words that count at most
	vocabularyTop = 150  // how many words of a mail are looked at
)

// vocabularySigns tells by single words, of the language of the mail alone.
func vocabularySigns(subject, body text, lang string) []sign {
	if lang == "" {
		lang = "en"
	}
	var tokens []token
	tokens = append(tokens, subject.tokens...)
	tokens = append(tokens, body.tokens[:min(len(body.tokens), vocabularyTop)]...)
	wide := string(subject.wide) + "\n" + string(body.wide[:min(len(body.wide), 4*vocabularyTop)])
	kinds := vocabulary()[lang]
	var out []sign
	for _, kind := range Kinds() {
		n := 0
		for word := range strings.FieldsSeq(kinds[kind]) {
			if lang == "ja" {
				if strings.Contains(wide, word) {
					n++
				}
				continue
			}
			stem, prefix := strings.CutSuffix(word, "~")
			if slices.ContainsFunc(tokens, func(t token) bool { return t.word == stem || prefix && strings.HasPrefix(t.word, stem) }) {
				n++
			}
		}
		if n >= 2 {
			out = append(out, sign{kind, "wording: several words that mails of this kind use (" + lang + ")", perWord * float64(min(n, maxVocabulary))})
		}
	}
	return out
}
