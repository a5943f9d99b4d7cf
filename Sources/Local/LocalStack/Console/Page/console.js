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
 * Makes the children of a list those of the items, in their order. A child is made once and then filled, so that what has the focus
 * keeps it; what moved is seen to move.
 */
function reconcile(list, items, key, make, fill = () => {}, { moves = false } = {}) {
  const before = new Map([...list.children].map((child) => [child.dataset.key, child]));
  const places = moves ? new Map([...before].map(([id, child]) => [id, child.getBoundingClientRect().top])) : new Map();
  const after = items.map((item) => {
    const id = String(key(item));
    const old = before.get(id);
    const child = old ?? make(item);
    const text = JSON.stringify(item);
    if (child.dataset.text !== text) {
      child.dataset.key = id;
      child.dataset.text = text;
      fill(child, item);
      if (old) flash(child);
    }
    return child;
  });
  const kept = new Set(after);
  const gone = [...list.children].filter((child) => !kept.has(child));
  const hadFocus = gone.some((child) => child.contains(document.activeElement));
  for (const child of gone) child.remove();
  after.forEach((child, index) => {
    if (list.children[index] !== child) place(list, child, list.children[index] ?? null);
  });
  // What had the focus is gone: its neighbor gets it.
  if (hadFocus) (list.querySelector("button, select") ?? list.closest("[data-key]"))?.focus();
  if (!moves || isCalm()) return;
  for (const child of after) {
    const from = places.get(child.dataset.key);
    const distance = from === undefined ? 0 : from - child.getBoundingClientRect().top;
    if (distance) child.animate([{ transform: `translateY(${distance}px)` }, { transform: "none" }], { duration: 450, easing: "ease-out" });
  }
}

/** Moves a child, which takes its focus along. */
function place(list, child, next) {
  const focused = child.contains(document.activeElement) ? document.activeElement : null;
  list.insertBefore(child, next);
  focused?.focus();
}

function flash(child) {
  if (isCalm()) return;
  child.animate([{ backgroundColor: "color-mix(in srgb, var(--accent) 35%, transparent)" }, {}], { duration: 2000, easing: "ease-out" });
}

function isCalm() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}

/** Each status has a shape as well as a color. */
const shapes = { InStay: "●", Booked: "◆", Tentative: "◇", CheckedOut: "■", Cancelled: "✕" };

function withShape(status) {
  return status ? `${shapes[status] ?? "○"} ${status}` : "–";
}

function bookingRow() {
  return element("tr", {}, element("td", { className: "id" }), element("td", { className: "status" }),
    element("td", {}, element("div", { className: "next" })));
}

function fillBooking(row, booking) {
  const [id, status, next] = row.children;
  Object.assign(id, { title: booking.id, textContent: short(booking.id) });
  status.textContent = withShape(booking.status);
  status.dataset.status = booking.status;
  const labels = { InStay: "Check in", CheckedOut: "Check out", Booked: "Book", Cancelled: "Cancel", delete: "Delete" };
  reconcile(next.firstChild, [...booking.next, "delete"], (action) => action, (action) =>
    element("button", {
      textContent: labels[action] ?? action, title: `${booking.id}: ${action}`, data: { action },
      onclick: () => post("/console/bookings", { id: booking.id, status: action === "delete" ? null : action }),
    }));
}

function ticketRow(statuses) {
  return (ticket) => element("tr", {}, element("td", { textContent: `#${ticket.id}` }),
    element("td", {}, element("select", {
      ariaLabel: `Booking status of ticket ${ticket.id}`, data: { action: "status" },
      onchange: (event) => post("/console/tickets", { id: ticket.id, status: event.target.value || null }),
    }, ...["", ...statuses].map((status) => element("option", { value: status, textContent: withShape(status) })))),
    element("td", { className: "subject" }), element("td", { className: "id" }));
}

function fillTicket(row, ticket) {
  row.dataset.status = ticket.status ?? "";
  const select = row.querySelector("select");
  select.value = ticket.status ?? "";
  select.dataset.status = select.value;
  row.querySelector(".subject").textContent = ticket.subject;
  Object.assign(row.querySelector(".id"), { title: ticket.booking ?? "", textContent: short(ticket.booking ?? "") });
}

const reached = new Map();

/** Shows how many events are at each place, and lets those that moved on pass by. */
function showWay(events, counts, isFirst) {
  const places = [...byId("way").children];
  let passing = 0;
  for (const { id, place: to, sweep, ticket } of events) {
    // A new ticket's message begins in Zendesk.
    const from = reached.get(id) ?? (ticket === null ? 0 : 4);
    const moves = to > from || (ticket !== null && !reached.has(id));
    reached.set(id, to);
    if (!isFirst && moves && !sweep && passing < 30) pass(places[from], places[Math.min(to, 4)], passing++ * 40);
  }
  places.forEach((child, index) => { child.dataset.count = counts[index] || ""; });
}

const maximumAlike = 25;
const unfolded = new Set();

/** Folds all but the latest rows of each status. The latest come first in a list that is folded. */
function fold(name, rows) {
  const alike = Map.groupBy(rows, (row) => row.status ?? "");
  if ([...alike.values()].every((group) => group.length <= maximumAlike)) return rows;
  return [...alike].flatMap(([status, group]) => {
    const key = `${name}-${status}`;
    const sorted = group.toSorted((a, b) => b.changedAt - a.changedAt);
    if (group.length <= maximumAlike) return sorted;
    const isOpen = unfolded.has(key);
    const row = { id: key, isFold: true, isOpen, count: group.length - maximumAlike, status };
    return [...sorted.slice(0, isOpen ? undefined : maximumAlike), row];
  });
}

function foldRow() {
  return element("tr", { className: "fold" }, element("td", { colSpan: 4 }, element("button", { data: { action: "fold" } })));
}

function fillFold(row, { id, isOpen, count, status }, noun) {
  const button = row.querySelector("button");
  button.dataset.status = status;
  button.textContent = isOpen ? "show fewer" : `${status ? shapes[status] ?? "○" : "–"} ${count} more ${noun}`;
  button.ariaExpanded = String(isOpen);
  button.onclick = () => {
    if (!unfolded.delete(id)) unfolded.add(id);
    show(shown);
  };
}

function showCounts(id, counts, statuses) {
  const found = [...statuses, ""].filter((status) => counts[status]);
  byId(id).replaceChildren(...found.map((status) =>
    element("span", { data: { status }, textContent: `${status ? withShape(status) : "no status"} ${counts[status]}` })));
}

function pass(from, to, delay) {
  if (isCalm()) return;
  const road = byId("road");
  const origin = road.getBoundingClientRect();
  const middle = (place) => {
    const box = place.getBoundingClientRect();
    return `translate(${box.left + box.width / 2 - origin.left}px, ${box.top + box.height / 2 - origin.top}px)`;
  };
  const dot = element("span", { className: "dot", ariaHidden: "true" });
  road.append(dot);
  const frames = [{ transform: middle(from), opacity: 1 }, { transform: middle(to), opacity: 1, offset: 0.9 }, { transform: middle(to), opacity: 0 }];
  dot.animate(frames, { duration: 900, delay, easing: "ease-in-out", fill: "both" }).onfinish = () => dot.remove();
}

function showUsage(usage) {
  for (const [name, [used, limit]] of Object.entries(usage)) {
    const meter = byId(`usage-${name}`);
    Object.assign(meter, { max: limit, high: limit * 0.9, value: used });
    meter.nextElementSibling.textContent = `${used} of ${limit}`;
    byId(`panel-${name}`).textContent = `${used} of ${limit} ${name}`;
  }
}

function eventItem(event) {
  const details = element("details", {},
    element("summary", {}, ...["change", "message", "state", "time"].map((className) => element("span", { className }))),
    element("div", { className: "steps" }), element("div", { className: "message-text" }));
  details.ontoggle = () => showMessage(details, event.id);
  return element("li", {}, details);
}

function fillEvent(item, event) {
  const [first, ...others] = event.changes;
  const more = others.length ? ` and ${others.length} more` : "";
  const change = first ? `${short(first.booking)}: ${first.from ?? "–"} → ${first.to ?? "–"}${more}` : "no booking";
  const [what, message, state, time] = item.querySelector("summary").children;
  what.textContent = event.sweep ? "sweep" : event.ticket === null ? change : `new ticket #${event.ticket}`;
  message.textContent = `message ${event.id}${event.copy ? " (duplicate)" : ""}`;
  Object.assign(state, { className: event.state.replace(" ", "-"), textContent: event.outcome || event.state });
  time.textContent = event.ms === null ? "" : `${event.ms} ms to ticket`;
  item.querySelector(".steps").replaceChildren(...event.steps.map((step) => element("span", { textContent: `+${step.ms} ms ${step.text}` })));
  showMessage(item.querySelector("details"), event.id);
}

/** Reads an open event's record, and the envelope of its last delivery. */
async function showMessage(details, id) {
  if (!details.open) return;
  const answer = await fetch(`/console/message?id=${encodeURIComponent(id)}`);
  if (!answer.ok) return;
  const message = await answer.json();
  const parts = [element("h3", { textContent: "Record" }), element("pre", { textContent: pretty(message.record) })];
  for (const delivery of message.deliveries.slice(-1)) {
    parts.push(element("h3", { textContent: `Envelope of delivery ${delivery.attempt}, answered ${delivery.status ?? "with nothing"}` }),
      element("pre", { textContent: `${delivery.head}\n\n${pretty(delivery.body)}\n\n${delivery.answer ?? ""}` }));
  }
  details.querySelector(".message-text").replaceChildren(...parts);
}

function pretty(text) {
  try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; }
}

function deadLetterItem(letter) {
  return element("li", {}, `message ${letter.id}: ${letter.bookings.join(", ") || (letter.ticket ? `new ticket #${letter.ticket}` : "no booking")} `,
    element("button", { textContent: "Replay", data: { action: "replay" }, onclick: () => post("/console/replay", { id: letter.id }) }));
}

function plot(latency) {
  byId("latency").textContent = latency.count
    ? `${latency.count} changes written: p50 ${latency.p50} ms, p90 ${latency.p90} ms, p99 ${latency.p99} ms`
    : "Nothing has been written yet.";
  byId("panel-latency").textContent = latency.count ? `p50 ${latency.p50} ms` : "";
  const most = Math.max(1, ...latency.bars.map((bar) => bar.count));
  byId("plot").replaceChildren(...latency.bars.map((bar, index) => {
    const label = bar.to === null ? "more" : String(bar.to);
    const range = bar.to === null ? `over ${latency.bars[index - 1].to} ms` : `up to ${bar.to} ms`;
    const column = element("div", { title: `${range}: ${bar.count}` });
    column.style.height = `${Math.round((bar.count / most) * 70)}px`;
    return element("li", {}, bar.count ? String(bar.count) : "", column, label);
  }));
}

let isFirst = true;
let shown;
function show(state) {
  shown = state;
  byId("parts").textContent = `bookings and messages: ${state.parts} · function: ${state.functionURL}`;
  say(state.notes.join(" · "));
  const table = (name, noun, make, fill, options) => reconcile(byId(name), fold(name, state[name]), (row) => row.id,
    (row) => (row.isFold ? foldRow() : make(row)), (child, row) => (row.isFold ? fillFold(child, row, noun) : fill(child, row)), options);
  table("bookings", "guests", bookingRow, fillBooking);
  table("tickets", "tickets", ticketRow(state.statuses), fillTicket, { moves: true });
  showCounts("booking-counts", state.bookingCounts, state.statuses);
  showCounts("ticket-counts", state.ticketCounts, state.statuses);
  reconcile(byId("events"), state.events, (event) => event.id, eventItem, fillEvent);
  showWay(state.events, state.places, isFirst);
  isFirst = false;
  showUsage(state.usage);
  byId("checkout-hour").textContent = state.guestsInHouse ? `Check ${state.guestsInHouse} guests out at once` : "Check 200 guests in at once";
  reconcile(byId("dead-letters"), state.deadLetters, (letter) => letter.id, deadLetterItem);
  reconcile(byId("booking-ids"), state.bookings, (booking) => booking.id, (booking) => element("option", { value: booking.id }));
  const part = (shown, all) => (shown < all ? `The latest ${shown} of ${all}.` : "");
  byId("bookings-more").textContent = part(state.bookings.length, state.bookingCount);
  byId("tickets-more").textContent = part(state.tickets.length, state.ticketCount);
  byId("events-more").textContent = state.eventCount ? part(state.events.length, state.eventCount) : "None yet.";
  byId("replay-all").hidden = state.deadLetters.length < 2;
  for (const box of byId("faults").querySelectorAll("input")) box.checked = state.faults[box.name];
  plot(state.latency);
}

let latest = null;
function draw() {
  const state = JSON.parse(latest);
  latest = null;
  show(state);
}

let source;
function listen(booking = "") {
  source?.close();
  source = new EventSource(`/console/changes?booking=${encodeURIComponent(booking)}`);
  source.onopen = () => { byId("connection").textContent = "live"; };
  source.onerror = () => { byId("connection").textContent = "not connected: the page is out of date"; };
  source.onmessage = (message) => {
    // States can come faster than they can be drawn: the last one counts.
    if (!latest) requestAnimationFrame(draw);
    latest = message.data;
  };
}

// On a narrow page the panel is a line at the bottom, until it is opened.
const isWide = matchMedia("(min-width: 75rem)");
const openPanel = () => { byId("panel").open = isWide.matches; };
isWide.onchange = openPanel;
openPanel();

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
byId("checkout-hour").onclick = () => post("/console/checkout-hour", {});
byId("replay-all").onclick = () => post("/console/replay", {});
listen();
