// What every page needs before anything else: the theme, the palette's keys, copying.
(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const kept = () => localStorage.getItem("helm-theme") || "system";

  function apply() {
    const wanted = kept();
    const dark = wanted === "dark" || (wanted === "system" && system.matches);
    root.dataset.theme = dark ? "dark" : "light";
    window.dispatchEvent(new Event("helm-theme"));
  }

  window.helmTheme = () => {
    localStorage.setItem("helm-theme", root.dataset.theme === "dark" ? "light" : "dark");
    apply();
  };
  system.addEventListener("change", apply);
  apply();

  // The clock of a driven server: what moments on this page are relative to.
  window.helmReplay = (ms) => {
    window.helmSkew = ms - Date.now();
    const told = document.getElementById("replay");
    if (!told) return;
    const moment = new Date(ms);
    told.textContent = `replay, ${moment.toLocaleTimeString([], { hour12: false })}`;
    told.title = moment.toString();
  };

  // A second press within four seconds confirms.
  window.helmSure = (event, go) => {
    const button = event.currentTarget;
    const asked = button.dataset.sure;
    const calm = () => {
      if (!button.dataset.sure) return;
      button.textContent = button.dataset.sure;
      delete button.dataset.sure;
    };
    if (asked) {
      calm();
      go();
      return;
    }
    button.dataset.sure = button.textContent;
    button.textContent = `Sure? ${button.textContent}`;
    setTimeout(calm, 4000);
  };

  window.helmEmpty = (id) => {
    const box = document.getElementById(id);
    if (box && box.tagName !== "SELECT") box.value = "";
  };

  // The numbers beside the lines of an editor, and the way to one of them.
  window.helmLines = (area) => {
    const numbers = area.previousElementSibling;
    const count = area.value.split("\n").length;
    if (numbers.dataset.count !== String(count)) {
      numbers.dataset.count = count;
      numbers.textContent = Array.from({ length: count }, (_, at) => at + 1).join("\n");
    }
    numbers.scrollTop = area.scrollTop;
  };
  function goto(link) {
    const area = document.getElementById(link.dataset.goto);
    const [line, column] = link.dataset.at.split(":").map(Number);
    const before = area.value.split("\n").slice(0, line - 1).join("\n").length;
    const at = before + (line > 1 ? 1 : 0) + column - 1;
    area.focus();
    area.setSelectionRange(at, at);
    area.scrollTop = Math.max(0, (line - 5) * 18);
  }

  async function copy(button) {
    const source = document.getElementById(button.dataset.copyOf);
    const text = source ? source.value : button.dataset.copy;
    const before = button.dataset.says || (button.dataset.says = button.textContent);
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      const area = Object.assign(document.createElement("textarea"), { value: text });
      document.body.append(area);
      area.select();
      button.textContent = document.execCommand("copy") ? "Copied" : "Select and copy";
      area.remove();
    }
    setTimeout(() => { button.textContent = before; }, 1500);
  }

  function typing(target) {
    return target.closest?.("input, textarea, select, [contenteditable]");
  }

  document.addEventListener("click", (event) => {
    const copies = event.target.closest?.("[data-copy], [data-copy-of]");
    if (copies) copy(copies);
    const goes = event.target.closest?.("[data-goto]");
    if (goes) goto(goes);
    const opens = event.target.closest?.("[data-opens]");
    if (opens && !opens.disabled) document.getElementById(opens.dataset.opens)?.showModal();
    const leads = event.target.closest?.('a[href^="#dialog-"]');
    if (leads) {
      event.preventDefault();
      leads.closest("dialog")?.close();
      document.querySelector(leads.getAttribute("href"))?.showModal();
    }
    const closes = event.target.closest?.("[data-closes]");
    if (closes) closes.closest("dialog")?.close();
    const row = event.target.closest?.("tr[data-href]");
    if (row && !event.target.closest("a, button, input")) location.assign(row.dataset.href);
  });

  for (const kind of ["input", "scroll"]) {
    document.addEventListener(kind, (event) => {
      if (event.target.matches?.(".editor textarea")) window.helmLines(event.target);
    }, true);
  }

  // On a telephone the rail lies across: where one is stands in sight.
  addEventListener("load", () => {
    const here = document.querySelector(".rail [aria-current]");
    here?.scrollIntoView({ block: "nearest", inline: "center" });
  });

  document.addEventListener("keydown", (event) => {
    const asks = (event.key === "k" && (event.ctrlKey || event.metaKey)) ||
      (event.key === "/" && !typing(event.target));
    if (asks) {
      event.preventDefault();
      document.getElementById("palette")?.showModal();
      document.querySelector("#palette input")?.select();
    }
    const list = event.target.closest?.("#palette") && document.querySelectorAll("#palette a");
    if (list?.length && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      const at = [...list].indexOf(document.activeElement);
      const step = event.key === "ArrowDown" ? 1 : -1;
      const next = Math.max(-1, Math.min(list.length - 1, at + step));
      (next < 0 ? document.querySelector("#palette input") : list[next]).focus();
    }
    if (list?.length && event.key === "Enter" && event.target.matches("input")) {
      event.preventDefault(); // or the same press would press what has the focus then
      list[0].click();
    }
  });
})();
