package mailkind

import (
	"slices"
	"strings"
	"sync"
)

// vocabulary holds, by language and kind, single words that mails of that kind use more than others. One of them says nothing, several say something.
func vocabulary() map[string]map[string]string {
	return map[string]map[string]string{
		"en": {
			ErrorReports:       "error errors failed failure failures fail timeout exception retry retried crash crashed token unavailable refused refreshed invalid column stack log logs runtimeerror keyerror typeerror nullpointerexception server job worker production seen unreachable deploy build import traceback file line 5xx 4xx requests responses gateway disk written export exports target read outage incident degraded ended stopped halted skipped missing broken again attempts process",
			SecurityAlerts:     "password security sign login signin device devices browser unusual unknown suspicious account ip location session sessions token code verify verification authentication attacker protect secure blocked locked unauthorized key ssh profile changed wrong typed remove attempt breach vulnerability exposed cve attackers severity risk permissions admin",
			SubscribedAlerts:   "comment comments commented answered replied issue issues page watch watching follow following mute unwatch alert digest snapshot scheduled discussion thread mentioned assigned assignee resolved updated dashboard filter task tasks ticket closed edited status priority limit passed schedule due remind reminded tomorrow space version replies changed created wrote reaction pull request merged build summary subscribed subscription",
			UserInvitations:    "invited invitation invite join team workspace colleague teammate editor guest member accept decline shared share collaborate together board project access expires added reviewer manager waiting password asked wants works edit editing open contribute",
			ConnectMailService: "mailbox inbox imap smtp gmail outlook exchange forwarding forwarded connected connect mail email messages attachments disconnect domain dkim linked folder picked reply replies address verified authorized reconnect",
			UserSync:           "users groups members sync synced synchronized directory okta ldap scim azure workday added removed deactivated copied matched accounts provisioning staff list employee employees import imported conflict conflicts unchanged people updated switched profile kept manager record",
			CompanyEvents:      "invited join event webinar conference summit meetup stage talk talks stand booth venue date register seats music food drinks barbecue guests evening speakers agenda party live attend coming rsvp hall expo tour summer night dinner breakfast lunch host hosts hosted honoured honored pleasure partners leaders founders visit anniversary celebrate together speaker panel workshop seat ticket guest kindly presence livestream recording session",
			Marketing:          "new free offer save buy discount price deal gift loyal customers customer discover exclusive now today love plus premium fresh favourite favorite faster community blog read everything shop upgrade plan months launch marketplace grow boost popular best winter spring summer autumn sales product products features reasons better switch change cheaper costs nothing quarter half film talk demo brings teams solution results time companies pricing edition news story stories win chance survey opinion think hear questions review recommend feedback friend friends refer exciting introducing announcing improved modern powerful favourites present deals collection off",
			TrainingOnboarding: "welcome learn guide video videos step steps start started tips lesson course training tutorial setup first basics show shows mails weeks useful practice academy exam certified admin happy tour how beginners beginner need hand checklist easy everything bring questions know minute minutes set add upload discover settings help team here quick journey master skills feature",
			RenewalReminders:   "expires expire renew renewal renewed trial subscription license licence ends end left over until days week plan keep charged cancel maintenance period edition monthly yearly expiring renews continue go nothing lapse upgrade card valid payment remaining final reminder upcoming next year annual free",
			Other:              "invoice receipt order payment paid amount total balance statement bill delivery shipped booking request support ticket confirm reset appointment refund terms privacy maintenance address attached notes case message regards charges quote meeting contract signature sign export ready download closed deleted cancelled policy number",
		},
		"de": {
			ErrorReports:       "fehler fehlgeschlagen abgebrochen abbruch zeituberschreitung protokoll ungultig server auftrag stoerung storung ausfall import erneut ursache dienst quelle quellen keine datei geschrieben ziel versuch schreibgeschutzt antwortet fehlt gestoppt anfragen antworten leer verfugbar warnung",
			SecurityAlerts:     "passwort kennwort anmeldung anmeldeversuch gerat sicherheit konto code unbekannt~ ungewohnlich~ zugriff gesperrt blockiert verdachtig~ jemand schwachstelle schlussel hinzugefugt geandert sofort profil versucht falsch~ angemeldet risiko lucke version einspielen",
			SubscribedAlerts:   "kommentar kommentiert antwort vorgang seite beobachten folgen aufgabe status zugewiesen bearbeitet geandert diskussion filter alarm zusammenfassung erledigt benachrichtigung fallig aufgaben erinnern profil morgen kommentare bereich version treffer suche ergebnisse beobachtete",
			UserInvitations:    "eingeladen einladung team beitreten projekt kollegin kollege annehmen gemeinsam mitarbeiten freigegeben geteilt arbeitsbereich zugriff hinzugefugt prufer freigeben arbeiten wartet gast offnen zusammen",
			ConnectMailService: "postfach mailkonto imap smtp gmail outlook weiterleitung verbunden verbinden nachrichten mails anhange verknupft ordner absender adresse domain empfangen tickets",
			UserSync:           "benutzer nutzer konten gruppen mitglieder abgleich synchronisiert verzeichnis angelegt deaktiviert ldap mitarbeiter liste importiert personal aktualisiert unverandert konflikte verknupft",
			CompanyEvents:      "veranstaltung webinar messe stand halle konferenz anmelden teilnahme platze vortrage vortrag gaste abend treffen termin fachleuten freikarten uhr programm feiern fruhstuck abendessen einladen laden partnern partner zusage gastgeber gemeinsam feier fest jubilaum ort platz tag workshop live besuchen freuen einladung kundentag",
			Marketing:          "neu neue neues neueste angebot angebote sparen rabatt gratis geschenkt kunden kundinnen liebe entdecken jetzt exklusiv preis newsletter heft lesen schneller look shop bucht kostenlos vorteil lieblings~ alles austragen grunde bessere besser mehr wechselt wechseln nichts quartal hilfe losung zeit unternehmen ausgabe umfrage meinung fragen bewerten empfehlen freunde geschenk gewinnen aktion neuheiten vorstellen funktionen einfach testen verbesserungen",
			TrainingOnboarding: "willkommen lernen video schritt schritte tipps anleitung kurs schulung einstieg start erste ersten uben grundlagen so zeigen leitfaden heute wussten wissen richten einrichten konnen anfanger fragen checkliste einfach lektion termine lernvideo mehr vorlagen funktion funktionen trick kniff",
			RenewalReminders:   "lauft endet verlangern verlangerung lizenz abo abonnement testphase testzugang vertrag ablauf tage bis buchung weiterhin kundigen verlangert erneuern kostenlos kostenloses sonst juni karte gultig erinnerung nachste jahr laufzeit weiter ablaufen auslaufen",
			Other:              "rechnung bestellung zahlung betrag lieferung paket anfrage bestatigen termin quittung offen versandt wartung datenschutz anbei notizen kontoauszug saldo vorgangsnummer nachricht export bereit unterschrift vertrag angebot gruss",
		},
		"fr": {
			ErrorReports:       "erreur erreurs echec echoue interrompu jeton delai serveur journal invalide relancer tache sources introuvable refuse aucun fichier ecrit lecture seule reessayons repond panne arrete manquant impossible lignes",
			SecurityAlerts:     "connexion securite appareil compte code suspect~ inhabituel~ bloque passe tentative inconnu proteger cle ssh ajoutee profil modifie modifiee supprimez tentatives faille vulnerabilite correctif version",
			SubscribedAlerts:   "commentaire commente reponse ticket page suivez suivi alerte resume tache statut assigne modifie discussion notification filtre modifiee espace taches rappeler demain resultats recherche annonces abonne version",
			UserInvitations:    "invite invitation rejoindre equipe projet collegue accepter ensemble partage partagez espace acces attend collaborer ajoute relecteur document ouvrir travailler invitee membre attendent ouvrez",
			ConnectMailService: "boite messagerie imap smtp gmail outlook transfert connectee connecte messages pieces relie reliee dossier reponses domaine tickets adresse autorisation",
			UserSync:           "utilisateurs comptes groupes membres synchronisation annuaire crees desactives ldap copies liste salaries employes importes mis jour conflit relie lie associe",
			CompanyEvents:      "evenement webinaire salon stand conference inscription inscrivez places soiree rendez rencontre retrouvez participe participez programme atelier date invite passez petit dejeuner diner partenaires invitons convions plaisir accueillir presence reponse anniversaire fete live direct experts heures lieu",
			Marketing:          "nouveau nouveaute nouveautes offre offres profitez remise gratuit offerts cadeau clients decouvrez exclusif prix newsletter lire printemps ete code promo boutique fete raisons meilleurs meilleur passer trimestre aide solution temps entreprises enquete avis opinion recommander gagner numero edition actualites lancement fonctionnalites rapide simple essayez amis parrainez",
			TrainingOnboarding: "bienvenue apprendre video etape etapes astuces guide cours formation debuter commencer premiers premiere prise suivez reglages lecon debutants questions depuis debut mercredi savoir configurer fonction simple minutes tutoriel bases decouvrir modeles",
			RenewalReminders:   "expire expiration renouveler renouvellement licence abonnement essai contrat echeance termine jours reconduit preleve resilier formule renouvelez garder acces fin prend bientot rappel carte valable annuel prochain offre continuer",
			Other:              "facture commande paiement montant livraison colis demande confirmer rendez recu livre maintenance confidentialite releve solde notes message dossier export pret signature contrat devis cordialement compte",
		},
		"es": {
			ErrorReports:       "error errores fallo fallado fallida interrumpida token espera servidor registro invalido reintentar tarea fuentes ningun archivo escribio lectura intentaremos responde caido detenido falta imposible lineas destino",
			SecurityAlerts:     "contrasena acceso seguridad dispositivo cuenta codigo sospechos~ inusual bloqueado intento sesion desconocido alguien clave ssh anadido cambiado perfil elimina intentos brecha vulnerabilidad version parche correo",
			SubscribedAlerts:   "comentario comento respuesta incidencia pagina sigues vigilas alerta aviso resumen tarea estado asignado editado filtro limite borrar tareas vencen manana recordar perfil espacio resultados busqueda anuncios suscrito version cambio",
			UserInvitations:    "invitado invitacion invita unirte equipo proyecto companero aceptar acepta juntos compartido espacio acceso colaborar anadido anadida revisor revisora documento abre trabajar miembro espera comentar aprobar",
			ConnectMailService: "buzon correo imap smtp gmail outlook reenvio conectado conectada mensajes adjuntos vinculado carpeta respuestas dominio incidencias direccion autorizar",
			UserSync:           "usuarios cuentas grupos miembros sincronizacion directorio creados desactivados ldap copiaron lista empleados personal importados actualizados conflictos vinculada",
			CompanyEvents:      "evento webinar feria stand conferencia inscripcion inscribete plazas ponencias encuentro esperamos nos vemos cafe programa taller fecha invitado pasate desayuno cena socios organizamos encantaria contar usted invitamos asistencia aniversario fiesta directo expertos celebrar lugar hora",
			Marketing:          "nuevo nueva novedades oferta ofertas aprovecha descuento gratis regalo clientes descubre exclusivo precio boletin leer primavera verano contrata paga tienda razones mejores mejor cambias pasarte trimestre cuesta nada ayuda solucion tiempo empresas encuesta opinion recomendar ganar edicion noticias lanzamiento funciones rapido facil prueba amigos",
			TrainingOnboarding: "bienvenido bienvenida aprender aprende video paso pasos consejos guia curso formacion empezar primeros primera basico sabias cosas configurar principiantes preguntas leccion facil minutos plantillas funcion trucos tutorial explicamos",
			RenewalReminders:   "vence caduca renovar renovacion licencia suscripcion prueba contrato termina acaba queda quedan dias semana mes anual mensual plan renueva seguir acceso pronto recordatorio tarjeta valida proximo continuar perder gratis",
			Other:              "factura pedido pago importe envio paquete solicitud confirmar cita recibo entrega mantenimiento privacidad extracto saldo notas mensaje caso exportacion lista firma contrato saludos cuenta cargos pagos",
		},
		"pt": {
			ErrorReports:       "erro erros falha falhou interrompida token tempo servidor log invalido novamente tarefa fontes nenhum arquivo ficheiro escrito leitura tentaremos responde parou falta impossivel linhas destino",
			SecurityAlerts:     "senha acesso seguranca dispositivo conta codigo suspeit~ incomum bloqueado tentativa login desconhecido alguem chave ssh adicionada alterado alterada perfil remova tentativas violacao vulnerabilidade versao correcao mudou",
			SubscribedAlerts:   "comentario comentou resposta tarefa pagina acompanha segue alerta aviso resumo status atribuida editou filtro limite excluir tarefas vencem amanha lembrado perfil espaco resultados busca anuncios inscrito versao",
			UserInvitations:    "convidou convite convidado equipe equipa projeto colega aceitar aceite juntos compartilhou partilhou espaco acesso colaborar participe adicionou revisor documento abra trabalhar membro espera comentar aprovar",
			ConnectMailService: "caixa email imap smtp gmail outlook encaminhamento conectada ligada mensagens anexos chegarem vinculada pasta respostas dominio chamados endereco autorizar foi",
			UserSync:           "usuarios utilizadores contas grupos membros sincronizacao diretorio criados desativados ldap copiados lista funcionarios pessoal importados atualizados conflitos vinculada colaboradores",
			CompanyEvents:      "evento webinar feira stand conferencia inscricao inscreva vagas palestra palestras encontro esperamos visite cafe programa oficina data convidado assista jantar parceiros organizamos convidamos presenca aniversario festa vivo especialistas celebrar local hora prazer",
			Marketing:          "novo nova novidades oferta ofertas aproveite desconto gratis presente clientes descubra exclusivo preco boletim leia primavera verao assinar ganha loja razoes motivos melhores melhor mudar trimestre custa nada ajuda solucao tempo empresas pesquisa opiniao recomendar ganhar edicao noticias lancamento funcionalidades rapido facil experimente amigos",
			TrainingOnboarding: "bem vindo aprender aprenda video passo passos dicas guia curso formacao comecar primeiros primeira basico coisas talvez saiba configurar iniciantes perguntas aula facil minutos modelos funcao truques tutorial veja",
			RenewalReminders:   "vence expira renovar renovacao licenca assinatura subscricao teste contrato termina acaba restam dias semana mes anual mensal plano continuar renove ate acesso gratuita passa lembrete cartao valido proximo perder gratis manter",
			Other:              "fatura pedido pagamento valor envio encomenda solicitacao confirmar consulta recibo entrega manutencao privacidade extrato saldo notas mensagem caso exportacao pronto assinatura digital cumprimentos cobrancas pagamentos",
		},
		"ja": {
			ErrorReports:       "エラー 失敗 異常 タイムアウト ログ 無効 障害 再実行 停止 問題 書き込め 出力 読み取り専用 再試行 できませんでした 件",
			SecurityAlerts:     "パスワード ログイン 端末 セキュリティ 不正 認証 アカウント ロック 心当たり アクセス",
			SubscribedAlerts:   "コメント 返信 課題 ページ ウォッチ フォロー アラート ダイジェスト 担当 更新されました 編集 ステータス 通知 期限 タスク プロフィール 件あります 変更できます スペース",
			UserInvitations:    "招待 チーム 参加 メンバー プロジェクト 共有 さんが 一緒 追加 承認 ドキュメント 開く 作業",
			ConnectMailService: "メールボックス 受信 転送 接続 imap gmail outlook 添付",
			UserSync:           "ユーザー グループ 同期 ディレクトリ 追加 無効化 メンバー",
			CompanyEvents:      "開催 ご来場 会場 日時 定員 出展 ブース セミナー 展示会 講演 参加 お申し込み ご招待 朝食会 懇親会 ご出席 ご参加 周年 会費 ライブ配信",
			Marketing:          "割引 キャンペーン お得 限定 プレゼント おすすめ 新機能 特典 無料 記事 編集部 事例 お客様 号 掲載 人気 理由 充実 お乗り換え 選ばれ ご紹介 アンケート ご意見 リニューアル 最新 便利 お試し",
			TrainingOnboarding: "ようこそ 使い方 始め方 ステップ 動画 講座 基本 ヒント ガイド 最初 第1回 活用 初心者 丁寧 ご説明 学べ コツ 練習",
			RenewalReminders:   "期限 更新 契約 終了 トライアル 無料期間 ライセンス 継続 満了 年払い 月払い 有料版 までです 切り替わり ご利用 更新されない 無料版 カード 次回",
			Other:              "請求書 領収書 注文 お支払い 発送 受付 お問い合わせ 予約 確認 メンテナンス 規約",
		},
	}
}

// commonWords are words by which a language is told.
func commonWords() map[string]string {
	return map[string]string{
		"en": "the and you your is are to of for with this that we it in on have was has from not our at by be if will can or an i my they there what when who one its as all before after now were been would more no do don t s re ve",
		"de": "der die das und sie ihr ihre ihrer ihrem ihren ist sind zu fur mit wir nicht ein eine einen den dem auf wurde wurden haben hat bei du dein von im am zum zur vom uns euch ihnen dir sich auch oder wenn werden wird kann nach aus bis ab um noch nur jetzt neue neuen mehr keine bitte ich hier seit uber unsere unser wie als es dann des durch heute uhr",
		"fr": "le la les et vous votre vos est sont de des pour avec nous ne pas un une du dans sur a ete ce au aux par il elle se qui que si plus notre nos cette ces en ou d l n c qu j s jusqu bonjour afin sans depuis avant tout tous sera avez avons son sa ses",
		"es": "el la los y tu su es son de para con no un una en que te se ha del al por este tus las si esta como mas nuestro nuestra sus hoy fue hasta desde ya le lo nos o cuando sin puede tiene hola esto estos han sera muy sobre todo todos quedan antes",
		"pt": "o a os e voce seu sua esta sao de para com nao um uma em que se foi do da no na seus por ao as dos das suas sem ate mais ja pela pelo nos nas isso este ou como ola nosso nossa hoje foram tem aos quando muito todos sobre antes pode",
	}
}

// languagesOf gives the languages of each of the common words, made at its first use.
var languagesOf = sync.OnceValue(func() map[string][]string {
	out := map[string][]string{}
	for lang, words := range commonWords() {
		for w := range strings.FieldsSeq(words) {
			if !slices.Contains(out[w], lang) {
				out[w] = append(out[w], lang)
			}
		}
	}
	return out
})

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
	common := languagesOf()
	for _, tok := range t.tokens[:min(len(t.tokens), 400)] {
		for _, lang := range common[tok.word] {
			count[lang]++
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
	if count[best] < 2 || count[best] <= next {
		return ""
	}
	return best
}
