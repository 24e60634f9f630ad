// Forms of selects that filter a section.

const formOf = (name) => document.querySelector(`form[data-filters="${name}"]`);

/** Fills a select; with `all` its first option stands for every value. */
function fill(select, values, all) {
  const options = values.map((value) => element("option", { value }, value));
  if (all) options.unshift(element("option", { value: "", "data-all": true }, `${all} (${values.length})`));
  const before = select.value;
  select.replaceChildren(...options);
  if (values.includes(before)) select.value = before;
}

/** The chosen value of a select, or null where its first option stands for all. */
function chosen(form, name) {
  const option = form.elements[name].selectedOptions[0];
  return option && !("all" in option.dataset) ? option.value : null;
}

const unique = (values) => [...new Set(values)];

function onChange(form, changed) {
  form.addEventListener("input", changed);
  form.addEventListener("reset", () => setTimeout(changed));
  form.addEventListener("submit", (event) => event.preventDefault());
}
