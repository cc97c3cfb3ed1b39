show((data) => {
  const [stepSlider, epochSlider, follow, given] = ["step", "epoch", "follow", "given"].map((id) => document.getElementById(id));
  const detail = document.getElementById("detail");
  const main = document.querySelector("main");
  const rows = [];
  const seen = new Set();
  const rowOf = new WeakMap();
  let marker;

  const ratio = () => data.ratios[stepSlider.value];
  const epoch = () => data.epochs[epochSlider.value];

  /** Tell of the tokens that a row may mask which are, as the step of the training does: in float32. */
  function maskedOf(row) {
    const p = Math.fround(ratio());
    const draws = row.draws[epochSlider.value];
    return row.weights.map((weight, place) => draws[place] / data.draws < Math.fround(p * weight));
  }

  /** Return the id of what the model is given in place of the row's maskable token `place`; null where it is no token. */
  const becomes = (row, place) => row.becomes[epochSlider.value]?.[place] ?? null;

  /** Return the text of a token, such that there is something to see. */
  function shownText(id) {
    return visible(data.texts[id]).replaceAll("\n", "\u21b5\n") || "\u2205";
  }

  function build(row) {
    row.tokens = row.ids.map((id, place) => {
      const token = element("span", { class: `token ${row.kinds[place]}`, role: "listitem", tabindex: place ? -1 : 0 }, shownText(id));
      rowOf.set(token, [row, place]);
      return token;
    });
    row.list.replaceChildren(...row.tokens);
  }

  function draw(row) {
    if (!row.tokens) build(row);
    maskedOf(row).forEach((masked, number) => {
      const place = row.at[number];
      const token = row.tokens[place];
      const other = masked && given.checked ? becomes(row, number) : null;
      const text = shownText(other ?? row.ids[place]);
      token.classList.toggle("masked", masked);
      if (masked) token.setAttribute("aria-label", `${shownText(row.ids[place])}, masked`);
      else token.removeAttribute("aria-label");
      if (token.textContent !== text) token.textContent = text;
    });
  }

  function say(id, text) {
    document.getElementById(id).textContent = text;
  }

  function update() {
    const step = data.steps[stepSlider.value];
    const inRun = Math.min(Math.floor(step / data.stepsPerEpoch), Math.ceil(data.maxSteps / data.stepsPerEpoch) - 1);
    if (follow.checked) epochSlider.value = data.epochs.findLastIndex((each) => each <= inRun);
    const about = data.packed ? "about " : "";
    say("step-says", `${count(step)} of ${about}${count(data.maxSteps)}: p = ${ratio().toFixed(3)}`);
    say("epoch-says", inRun === epoch() ? `${epoch()}, as in the run` : `${epoch()}; this step of the run: ${about}${inRun}`);
    stepSlider.setAttribute("aria-valuetext", `step ${step}, p ${ratio().toFixed(3)}`);
    main.classList.toggle("given", given.checked);
    for (const dataset of data.datasets) {
      let masked = 0, maskable = 0;
      for (const row of dataset.rows) {
        const ofRow = maskedOf(row);
        masked += ofRow.filter(Boolean).length;
        maskable += ofRow.length;
      }
      const share = maskable ? (masked / maskable).toFixed(3) : "-";
      dataset.says.textContent = `Scheduled ratio ${(ratio() * dataset.weight).toFixed(3)}; masked ${count(masked)} of ${count(maskable)} tokens that may be: ${share}.`;
    }
    marker.setAttribute("x1", (100 * stepSlider.value) / stepSlider.max);
    marker.setAttribute("x2", (100 * stepSlider.value) / stepSlider.max);
    seen.forEach(draw);
  }

  function quoted(id) {
    return `\u201c${shownText(id)}\u201d (id ${id})`;
  }

  /** Say what there is to know of a token, and mark its unit. */
  function tell(token) {
    const [row, place] = rowOf.get(token);
    const parts = [`Row ${row.row}, token ${place + 1} of ${row.ids.length}: ${quoted(row.ids[place])}`, `kind ${row.kinds[place]}`];
    const number = row.at.indexOf(place);
    document.querySelectorAll(".unit").forEach((other) => other.classList.remove("unit"));
    if (number < 0) {
      parts.push("weight 0: never masked");
    } else {
      const unit = row.at.filter((other) => row.units[other] === row.units[place]);
      const drawn = (row.draws[epochSlider.value][number] / data.draws).toFixed(4);
      const other = becomes(row, number);
      parts.push(`weight ${row.weights[number]}`, `its number in epoch ${epoch()}: ${drawn}`);
      parts.push(maskedOf(row)[number] ? "masked now, since p times weight is greater" : `not masked at p = ${ratio().toFixed(3)}`);
      parts.push(other === null ? "when masked it becomes no token that is known without the model" : `when masked it becomes ${quoted(other)}`);
      if (unit.length > 1) {
        parts.push(`unit: ${unit.length} tokens from ${unit[0] + 1} to ${unit.at(-1) + 1} share this number`);
        unit.forEach((member) => row.tokens[member].classList.add("unit"));
      } else {
        parts.push("unit: itself");
      }
    }
    detail.textContent = `${parts.join("; ")}.`;
  }

  function moveTo(row, place) {
    row.tokens.forEach((token) => { token.tabIndex = -1; });
    row.tokens[place].tabIndex = 0;
    row.tokens[place].focus();
  }

  function drawSchedule() {
    const svg = document.getElementById("schedule");
    const make = (name) => svg.appendChild(document.createElementNS("http://www.w3.org/2000/svg", name));
    const last = data.ratios.length - 1;
    const points = data.ratios.map((each, place) => `${(100 * place) / last},${20 - (20 * each) / (data.maxRatio || 1)}`);
    make("polyline").setAttribute("points", points.join(" "));
    marker = make("line");
    marker.setAttribute("y1", 0);
    marker.setAttribute("y2", 20);
  }

  const observer = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      const row = rows[target.dataset.number];
      if (isIntersecting) { seen.add(row); draw(row); } else { seen.delete(row); }
    }
  }, { rootMargin: "600px" });

  for (const dataset of data.datasets) {
    dataset.says = element("p", { class: "made" });
    const section = element("section", {}, element("h2", {}, visible(dataset.path)), element("p", {}, `type ${visible(dataset.type)}`), dataset.says);
    if (!dataset.rows.length) section.append(element("p", {}, "None of its rows is among the training data."));
    for (const row of dataset.rows) {
      const name = `Row ${count(row.row)} of the training data, ${count(row.ids.length)} tokens`;
      row.list = element("div", { class: "tokens", role: "list", "aria-label": name, "data-number": rows.length });
      rows.push(row);
      section.append(element("h3", {}, name), row.list);
      observer.observe(row.list);
    }
    document.getElementById("datasets").append(section);
  }

  main.addEventListener("pointerover", ({ target }) => { if (rowOf.has(target)) tell(target); });
  main.addEventListener("focusin", ({ target }) => { if (rowOf.has(target)) tell(target); });
  main.addEventListener("keydown", (event) => {
    if (!rowOf.has(event.target)) return;
    const [row, place] = rowOf.get(event.target);
    const to = { ArrowLeft: place - 1, ArrowRight: place + 1, Home: 0, End: row.ids.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    if (to >= 0 && to < row.ids.length) moveTo(row, to);
  });
  document.getElementById("controls").addEventListener("submit", (event) => event.preventDefault());
  stepSlider.addEventListener("input", update);
  epochSlider.addEventListener("input", () => { follow.checked = false; update(); });
  follow.addEventListener("input", update);
  given.addEventListener("input", update);

  Object.assign(stepSlider, { max: data.steps.length - 1, value: data.step });
  Object.assign(epochSlider, { max: data.epochs.length - 1, value: data.epoch, disabled: data.epochs.length === 1 });
  drawSchedule();
  update();
});
