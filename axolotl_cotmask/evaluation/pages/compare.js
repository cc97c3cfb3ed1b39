show((tasks) => {
  const [QUESTION, REFERENCE, A, B, RATING_A, RATING_B, CLUSTER] = [0, 1, 2, 3, 4, 5, 6];
  const CHIPS = [["bad", "\u2717", "wrong"], ["good", "\u2713", "right"], ["none", "\u25cb", "no answer"]];
  const [search, task, cluster, measured, shortest, longest, list, room, article] =
    ["search", "task", "cluster", "measured", "shortest", "longest", "list", "room", "sample"].map((id) => document.getElementById(id));
  const controls = document.getElementById("controls");
  /** All samples, each with its task and its number there from 1. */
  const samples = tasks.flatMap((of, place) => of.samples.map((fields, number) => ({ fields, task: place, number: number + 1 })));
  let found = [];
  let chosen = 0;

  /** Return the text of a field of a sample; an answer may be in parts, or the text and what was read of it. */
  const textOf = (sample, field) => {
    const value = sample.fields[field];
    if (typeof value === "string") return value;
    return value.length === 2 ? value[0] : value.join("");
  };
  const right = (sample, field) => sample.fields[field] === 1;

  function verdicts(sample) {
    if (right(sample, RATING_A)) return right(sample, RATING_B) ? "both" : "a";
    return right(sample, RATING_B) ? "b" : "neither";
  }

  /** Return whether a sample has what is searched for. */
  function holds(sample, words) {
    if (!words) return true;
    sample.lower ??= [QUESTION, A, B, REFERENCE].map((field) => textOf(sample, field)).join("\n\n").toLowerCase();
    return sample.lower.includes(words);
  }

  /** Find the samples that all filters let through, and keep the one that is shown where it is among them. */
  function filter() {
    const words = search.value.toLowerCase();
    const wanted = controls.elements.verdicts.value;
    const counts = { all: 0, both: 0, a: 0, b: 0, neither: 0 };
    const least = shortest.value === "" ? 0 : Number(shortest.value);
    const most = longest.value === "" ? Infinity : Number(longest.value);
    const kept = found[chosen];
    found = samples.filter((sample) => {
      if (task.value !== "" && sample.task !== Number(task.value)) return false;
      if (cluster.value !== "" && `${sample.task},${sample.fields[CLUSTER]}` !== cluster.value) return false;
      if (least > 0 || most < Infinity) {
        const length = textOf(sample, Number(measured.value)).length;
        if (length < least || length > most) return false;
      }
      if (!holds(sample, words)) return false;
      const its = verdicts(sample);
      counts.all++;
      counts[its]++;
      return wanted === "all" || wanted === its;
    });
    for (const [name, number] of Object.entries(counts)) document.getElementById(`count-${name}`).textContent = count(number);
    document.getElementById("found").textContent = `${count(found.length)} of ${count(samples.length)} samples`;
    room.style.height = `${found.length * rowHeight()}px`;
    choose(Math.max(0, found.indexOf(kept)));
  }

  const rowHeight = () => 2.5 * parseFloat(getComputedStyle(document.documentElement).fontSize);

  function chip(code) {
    const [tone, sign, word] = CHIPS[code];
    return element("span", { class: `chip ${tone}` }, element("span", { "aria-hidden": "true" }, sign), ` ${word}`);
  }

  /** Put the entries that are seen, and a few around them, into the list. */
  function drawList() {
    const height = rowHeight();
    const first = Math.max(0, Math.floor(list.scrollTop / height) - 5);
    const last = Math.min(found.length, Math.ceil((list.scrollTop + list.clientHeight) / height) + 5);
    const entries = [];
    for (let place = first; place < last; place++) {
      const sample = found[place];
      const signs = ["A", "B"].map((label, side) => `${label}${CHIPS[sample.fields[RATING_A + side]][1]}`).join(" ");
      const words = ["A", "B"].map((label, side) => `${label} ${CHIPS[sample.fields[RATING_A + side]][2]}`).join(", ");
      const question = visible(textOf(sample, QUESTION).slice(0, 200));
      const entry = element(
        "div",
        { class: "entry", role: "option", id: `entry-${place}`, "aria-selected": place === chosen, "aria-posinset": place + 1, "aria-setsize": found.length, "aria-label": `${sample.number}: ${words}. ${question}` },
        element("span", {}, count(sample.number)), element("span", {}, signs), element("span", {}, question),
      );
      entry.style.top = `${place * height}px`;
      entry.dataset.place = place;
      entries.push(entry);
    }
    room.replaceChildren(...entries);
    if (found.length) list.setAttribute("aria-activedescendant", `entry-${chosen}`);
    else list.removeAttribute("aria-activedescendant");
  }

  function text(sample, field, kind = "") {
    const value = sample.fields[field];
    const lines = (part) => visible(part.replaceAll("\r\n", "\n"));
    if (typeof value === "string") return element("div", { class: `text ${kind}` }, lines(value));
    if (value.length === 2) return element("div", { class: `text ${kind}` }, lines(value[0]), element("p", { class: "made" }, "Read as ", element("mark", {}, lines(value[1]))));
    return element("div", { class: `text ${kind}` }, lines(value[0]), element("mark", {}, lines(value[1])), lines(value[2]));
  }

  function button(words, act, enabled = true) {
    const made = element("button", { type: "button" }, words);
    made.disabled = !enabled;
    made.addEventListener("click", act);
    return made;
  }

  function drawSample() {
    const sample = found[chosen];
    if (!sample) {
      article.replaceChildren(element("p", {}, "No sample passes all filters."));
      return;
    }
    const of = tasks[sample.task];
    const move = element("p", { class: "move" }, button("\u2190 previous (k)", () => choose(chosen - 1), chosen > 0), button("next (j) \u2192", () => choose(chosen + 1), chosen < found.length - 1));
    const its = sample.fields[CLUSTER];
    if (its >= 0 && cluster.value === "") {
      move.append(button(`only its cluster, ${of.field} ${visible(of.clusters[its])}`, () => { cluster.value = `${sample.task},${its}`; filter(); }));
    }
    const answers = [[A, RATING_A, "A"], [B, RATING_B, "B"]].map(([field, rating, label]) =>
      element("section", {}, element("h3", {}, `${label} `, chip(sample.fields[rating])), text(sample, field)));
    article.replaceChildren(
      element("h2", {}, `Sample ${count(sample.number)} of ${count(of.samples.length)}${of.name && `, ${visible(of.name)}`}`), move,
      text(sample, QUESTION, "question"), element("div", { class: "answers" }, ...answers),
      element("h3", {}, "Reference"), sample.fields[REFERENCE] ? text(sample, REFERENCE) : element("p", {}, "The file holds none."),
    );
  }

  /** Show the sample at a place among those found, and scroll the list to it. */
  function choose(place) {
    chosen = Math.max(0, Math.min(place, found.length - 1));
    const height = rowHeight();
    if (chosen * height < list.scrollTop) list.scrollTop = chosen * height;
    else if ((chosen + 1) * height > list.scrollTop + list.clientHeight) list.scrollTop = (chosen + 1) * height - list.clientHeight;
    drawList();
    drawSample();
  }

  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.matches("input:not([type='radio']), select");
    if (typing && event.key === "Escape") list.focus();
    if (typing) return;
    const page = Math.max(1, Math.floor(list.clientHeight / rowHeight()) - 1);
    const anywhere = { j: chosen + 1, k: chosen - 1 };
    const inList = { ArrowDown: chosen + 1, ArrowUp: chosen - 1, PageDown: chosen + page, PageUp: chosen - page, Home: 0, End: found.length - 1 };
    const to = anywhere[event.key] ?? (event.target === list ? inList[event.key] : undefined);
    if (to === undefined && event.key !== "/") return;
    event.preventDefault();
    if (to === undefined) search.focus();
    else choose(to);
  }

  function options(select, label, entries) {
    select.append(element("option", { value: "" }, "all"), ...entries.map(([value, words]) => element("option", { value }, visible(words))));
    label.hidden = entries.length < 2;
  }

  options(task, document.getElementById("of-task"), tasks.map((of, place) => [place, of.name || `${place + 1}`]));
  options(cluster, document.getElementById("of-cluster"), tasks.flatMap((of, place) =>
    of.clusters.map((name, number) => [`${place},${number}`, tasks.length > 1 ? `${of.name}: ${name}` : name])));
  controls.addEventListener("submit", (event) => event.preventDefault());
  controls.addEventListener("input", filter);
  list.addEventListener("scroll", drawList, { passive: true });
  list.addEventListener("click", (event) => {
    const entry = event.target.closest(".entry");
    if (entry) choose(Number(entry.dataset.place));
  });
  document.addEventListener("keydown", onKey);
  addEventListener("resize", drawList);
  filter();
});
