// Runs in mailreeve's own world of a frame whose scripts are stopped: does to each node what its operation says, and gives how many failed.
function (operations, ...nodes) {
	const bars = s => s.replace(/\S/gu, "█")
	const set = (e, name, value) => e.style.setProperty(name, value, "important")
	const outline = e => {
		e = e.closest("select") || e // options do not show one
		set(e, "outline", "3px solid #e00000")
		set(e, "outline-offset", "1px")
	}
	const masked = (text, ranges) => {
		for (const [from, to] of ranges) text = text.slice(0, from) + bars(text.slice(from, to)) + text.slice(to)
		return text
	}
	const still = ["option", "textarea", "title", "style", "script", "text", "tspan", "textPath"]
	const sheets = new Map()
	const sheetOf = root => {
		if (!sheets.has(root)) {
			const sheet = new (root.ownerDocument || root).defaultView.CSSStyleSheet()
			root.adoptedStyleSheets = [...root.adoptedStyleSheets, sheet]
			sheets.set(root, sheet)
		}
		return sheets.get(root)
	}
	const does = {
		text(node, {ranges, known}) {
			const parent = node.parentElement
			if (!parent || still.includes(parent.localName) || parent.namespaceURI !== "http://www.w3.org/1999/xhtml") {
				node.data = masked(node.data, ranges)
				if (parent && known.some(k => k) && parent.style) outline(parent)
				return
			}
			for (let i = ranges.length - 1; i >= 0; i--) {
				const [from, to] = ranges[i]
				node.splitText(to)
				const middle = node.splitText(from)
				const bar = node.ownerDocument.createElement("mailreeve-bar")
				bar.textContent = bars(middle.data)
				for (const [name, value] of [["display", "inline"], ["font", "inherit"], ["float", "none"], ["position", "static"], ["background", "#000"], ["color", "#000"],
					["-webkit-text-fill-color", "#000"], ["text-shadow", "none"], ["transition", "none"], ["opacity", "1"], ["content", "normal"]]) set(bar, name, value)
				if (known[i]) outline(bar)
				middle.replaceWith(bar)
			}
		},
		generated(element, {name, text = "", known}, i) {
			const mark = "data-mailreeve-" + i
			element.setAttribute(mark, "")
			const id = ":not(" + "#mailreeve".repeat(8) + ")"
			sheetOf(element.getRootNode()).insertRule(name === "marker"
				? `[${mark}]${id} { list-style: none !important }`
				: `[${mark}]${id}::${name} { content: ${JSON.stringify(bars(text))} !important; background: none !important; border-image: none !important; mask: none !important }`)
			if (known) outline(element)
		},
		typed(element, {ranges, known}) {
			const to = masked(element.value, ranges)
			element.value = to
			if (element.value !== to) { element.type = "text"; element.value = to }
			if (known.some(k => k)) outline(element)
		},
		attribute(element, {name, ranges, known}) {
			element.setAttribute(name, masked(element.getAttribute(name), ranges))
			if (known.some(k => k)) outline(element)
		},
		cover(element) {
			for (const [name, value] of [["filter", "contrast(0)"], ["background", "#999"], ["opacity", "1"], ["mask", "none"], ["clip-path", "none"],
				["mix-blend-mode", "normal"], ["transition", "none"], ["animation", "none"], ["content", "normal"]]) set(element, name, value)
		},
		background(element) {
			for (const [name, value] of [["background-image", "none"], ["background-color", "#999"], ["border-image", "none"], ["list-style-image", "none"],
				["mask", "none"], ["transition", "none"], ["animation", "none"]]) set(element, name, value)
		},
	}
	let failed = 0
	operations.forEach((o, i) => {
		try { does[o.do](nodes[i], o, i) } catch { failed++ }
	})
	return failed
}
