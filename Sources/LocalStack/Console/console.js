const byId = (id) => document.getElementById(id);

/** An element with its properties, data attributes and children. */
function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  const { data = {}, ...rest } = properties;
  Object.assign(made, rest);
  Object.assign(made.dataset, data);
  made.append(...children);
  return made;
}

/** A cell with a booking's ID, short where it is a long one. */
function bookingCell(id) {
  return element("td", { className: "id", title: id ?? "", textContent: short(id ?? "") });
}

function short(id) {
  return id.length > 12 ? `${id.slice(0, 8)}…` : id;
}

async function post(path, body) {
  const answer = await fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  if (!answer.ok) say((await answer.json().catch(() => ({}))).error ?? `${path}: ${answer.status}`);
}

function say(text) {
  byId("notes").textContent = text;
  byId("notes").hidden = !text;
}

/**
 * Makes the children of a list those of the items, in their order. What did not change is left alone, and keeps its focus; what moved is
 * seen to move.
 */
function reconcile(list, items, key, make, { moves = false } = {}) {
  const before = new Map([...list.children].map((child) => [child.dataset.key, child]));
  const places = moves ? new Map([...before].map(([id, child]) => [id, child.getBoundingClientRect().top])) : new Map();
  const focused = document.activeElement?.dataset?.action;
  const focusedKey = document.activeElement?.closest("[data-key]")?.dataset.key;
  let refocus = null;
  const after = items.map((item) => {
    const id = String(key(item));
    const text = JSON.stringify(item);
    const old = before.get(id);
    if (old && old.dataset.text === text) return old;
    const made = make(item, old);
    made.dataset.key = id;
    made.dataset.text = text;
    if (old) made.classList.add("changed");
    if (old && places.has(id)) places.set(id, places.get(id));
    if (focused && focusedKey === id && list.contains(document.activeElement)) refocus = made;
    return made;
  });
  after.forEach((child, index) => {
    if (list.children[index] !== child) list.insertBefore(child, list.children[index] ?? null);
  });
  while (list.children.length > after.length) list.lastChild.remove();
  if (refocus) (refocus.querySelector(`[data-action="${CSS.escape(focused)}"]`) ?? refocus.querySelector("button, select"))?.focus();
  if (!moves || matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  for (const child of after) {
    const from = places.get(child.dataset.key);
    const distance = from === undefined ? 0 : from - child.getBoundingClientRect().top;
    if (distance) child.animate([{ transform: `translateY(${distance}px)` }, { transform: "none" }], { duration: 450, easing: "ease-out" });
  }
}

function bookingRow(booking) {
  const commit = (status) => () => post("/console/bookings", { id: booking.id, status });
  const labels = { InStay: "Check in", CheckedOut: "Check out", Booked: "Book", Cancelled: "Cancel" };
  const buttons = booking.next.map((status) =>
    element("button", { textContent: labels[status] ?? status, title: `${booking.id}: ${status}`, data: { action: status }, onclick: commit(status) }));
  buttons.push(element("button", { textContent: "Delete", title: `${booking.id}: delete`, data: { action: "delete" }, onclick: commit(null) }));
  return element("tr", {}, bookingCell(booking.id), element("td", { textContent: booking.status }),
    element("td", {}, element("div", { className: "next" }, ...buttons)));
}

function ticketRow(statuses) {
  return (ticket) => {
    const pick = element("select", { ariaLabel: `Booking status of ticket ${ticket.id}`, data: { action: "status" } },
      element("option", { value: "", textContent: "–" }), ...statuses.map((status) => element("option", { value: status, textContent: status })));
    pick.value = ticket.status ?? "";
    pick.onchange = () => post("/console/tickets", { id: ticket.id, status: pick.value || null });
    return element("tr", { data: { status: ticket.status ?? "" } }, element("td", { textContent: `#${ticket.id}` }), element("td", {}, pick),
      element("td", { textContent: ticket.subject }), bookingCell(ticket.booking));
  };
}

function eventItem(event, old) {
  const [first, ...others] = event.changes;
  const change = event.sweep ? "sweep" : first ? `${short(first.booking)}: ${first.from ?? "–"} → ${first.to ?? "–"}${others.length ? ` and ${others.length} more` : ""}` : "no booking";
  const details = element("details", { open: old?.querySelector("details")?.open ?? false },
    element("summary", {},
      element("span", { className: "change", textContent: change }),
      element("span", { textContent: `message ${event.id}${event.copy ? " (duplicate)" : ""}` }),
      element("span", { className: event.state.replace(" ", "-"), textContent: event.outcome || event.state }),
      element("span", { textContent: event.ms === null ? "" : `${event.ms} ms to ticket` })),
    element("div", { className: "steps" }, ...event.steps.map((step) => element("span", { textContent: `+${step.ms} ms ${step.text}` }))));
  const show = async () => {
    if (!details.open) return;
    const answer = await fetch(`/console/message?id=${encodeURIComponent(event.id)}`);
    if (!answer.ok) return;
    const message = await answer.json();
    details.querySelectorAll("pre, h3").forEach((shown) => shown.remove());
    details.append(element("h3", { textContent: "Record" }), element("pre", { textContent: pretty(message.record) }));
    for (const delivery of message.deliveries.slice(-1)) {
      details.append(element("h3", { textContent: `Envelope of delivery ${delivery.attempt}, answered ${delivery.status ?? "with nothing"}` }),
        element("pre", { textContent: `${delivery.head}\n\n${pretty(delivery.body)}\n\n${delivery.answer ?? ""}` }));
    }
  };
  details.ontoggle = show;
  return element("li", {}, details);
}

function pretty(text) {
  try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; }
}

function deadLetterItem(letter) {
  return element("li", {}, `message ${letter.id}: ${letter.bookings.join(", ") || "no booking"} `,
    element("button", { textContent: "Replay", data: { action: "replay" }, onclick: () => post("/console/replay", { id: letter.id }) }));
}

function plot(latency) {
  byId("latency").textContent = latency.count
    ? `${latency.count} changes written: p50 ${latency.p50} ms, p90 ${latency.p90} ms, p99 ${latency.p99} ms`
    : "Nothing has been written yet.";
  const most = Math.max(1, ...latency.bars.map((bar) => bar.count));
  byId("plot").replaceChildren(...latency.bars.map((bar, index) => {
    const label = bar.to === null ? "more" : String(bar.to);
    const range = bar.to === null ? `over ${latency.bars[index - 1].to} ms` : `up to ${bar.to} ms`;
    const column = element("div", { title: `${range}: ${bar.count}` });
    column.style.height = `${Math.round((bar.count / most) * 70)}px`;
    return element("li", {}, bar.count ? String(bar.count) : "", column, label);
  }));
}

function show(state) {
  byId("parts").textContent = `bookings and messages: ${state.parts} · function: ${state.functionURL}`;
  say(state.notes.join(" · "));
  reconcile(byId("bookings"), state.bookings, (booking) => booking.id, bookingRow);
  reconcile(byId("tickets"), state.tickets, (ticket) => ticket.id, ticketRow(state.statuses), { moves: true });
  reconcile(byId("events"), state.events, (event) => event.id, eventItem);
  reconcile(byId("dead-letters"), state.deadLetters, (letter) => letter.id, deadLetterItem);
  reconcile(byId("booking-ids"), state.bookings, (booking) => booking.id, (booking) => element("option", { value: booking.id }));
  const part = (shown, all) => (shown < all ? `${shown} of ${all} are shown.` : "");
  byId("bookings-more").textContent = part(state.bookings.length, state.bookingCount);
  byId("tickets-more").textContent = part(state.tickets.length, state.ticketCount);
  byId("events-more").textContent = state.eventCount ? part(state.events.length, state.eventCount) : "None yet.";
  byId("replay-all").hidden = state.deadLetters.length < 2;
  for (const box of byId("faults").querySelectorAll("input")) box.checked = state.faults[box.name];
  plot(state.latency);
}

let source;
function listen(booking = "") {
  source?.close();
  source = new EventSource(`/console/changes?booking=${encodeURIComponent(booking)}`);
  source.onopen = () => { byId("connection").textContent = "live"; };
  source.onerror = () => { byId("connection").textContent = "not connected: what is shown is old"; };
  source.onmessage = (message) => show(JSON.parse(message.data));
}

byId("new-booking").onsubmit = (event) => {
  event.preventDefault();
  const id = event.target.elements.id;
  post("/console/bookings", { id: id.value || null, status: "Tentative" });
  id.value = "";
};
byId("new-ticket").onsubmit = (event) => {
  event.preventDefault();
  const { subject, booking } = event.target.elements;
  post("/console/tickets", { subject: subject.value, booking: booking.value });
};
byId("faults").onchange = (event) => post("/console/faults", { [event.target.name]: event.target.checked });
byId("filter").onsubmit = (event) => event.preventDefault();
byId("filter").elements.booking.onchange = (event) => listen(event.target.value);
byId("replay-all").onclick = () => post("/console/replay", {});
listen();
