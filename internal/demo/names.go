package demo

import "strings"

// vendorNames are invented houses, products what they sell; every pair of them is an app.
func vendorNames() []string {
	return strings.Fields(`Alderstone Amberquay Anvilbrook Applecrest Ashlantern Auburngate Axlewood Balsamhill Barleyport Basaltine Beaconfell Bellweir Bentgrass
		Bluetarn Boughworks Brackenly Briarlock Brindlesoft Broomfield Buckthorn Bulrushly Burdockia Buttonwharf Cairnwright Calderforge Canopyline Caraway9 Cedarlatch
		Chalkpath Chimneyfox Cinderlane Claymoor Coblestead Copsewell Cordgrass Cottonrow Cranebay Crookhorn Crossbeamly Curlewsoft Dewpondia Dunmarl Eelgrassy Eiderworks
		Elmbarrow Fenwickery Fieldgauge Flintpaddle Fogharbor Foxtrellis Furzegate Gableworks Glasswren Gorselane Granarya Greywether Grovekeel Gullstack Hammerbeck Hazelrig
		Heathergate Hedgeloom Helmstack Herringbone7 Hillfort Hopyard Inkberry Ironmeadow Jackdawly Kelpstone Kilnhurst Kitepost Larchway Latticefen Lichenworks Limewharf
		Linnetly Lockkeep Lodestarling Maplegauge Marshlight Meadowrill Millrace9 Mistlefold Moorhenly Mulberrow Nettlesoft Oarlock Oatfield Orchardine Osierworks Otterbank`)
}

func products() []string {
	return []string{"Alert Relay", "Sprint Digest", "Mailbridge", "Test Ledger", "Guest Invites", "Roadmaps", "Time Sheets", "Incident Desk", "Directory Sync",
		"Checklists", "Error Watch", "Release Notes", "Approvals", "Inbox for Issues", "Feed Reader", "Risk Register", "Doc Signer", "Planning Poker"}
}
