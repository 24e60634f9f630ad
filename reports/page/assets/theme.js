// Light or dark: the system's choice until the reader makes one.

const systemDark = matchMedia("(prefers-color-scheme: dark)");
const themeButton = byId("theme");
const themeListeners = [];

function storedTheme(value) {
  try {
    if (value !== undefined) localStorage.setItem("clipdefense-theme", value);
    return localStorage.getItem("clipdefense-theme");
  } catch {
    return null; // some browsers keep nothing for files
  }
}

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : systemDark.matches;
}

function themeChanged() {
  themeButton.setAttribute("aria-pressed", String(isDark()));
  for (const listener of themeListeners) listener();
}

themeButton.addEventListener("click", () => {
  document.documentElement.dataset.theme = storedTheme(isDark() ? "light" : "dark") ?? (isDark() ? "light" : "dark");
  themeChanged();
});
systemDark.addEventListener("change", themeChanged);

const remembered = storedTheme();
if (remembered === "light" || remembered === "dark") document.documentElement.dataset.theme = remembered;
themeChanged();
