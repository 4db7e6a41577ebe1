"use strict";
// The page is complete without this; it only hides what the reader does not want to see.
(() => {
  const filter = document.querySelector(".filter");
  const [method, differ, count] = ["select", "input", "output"].map((name) => filter.querySelector(name));
  const sections = [...document.querySelectorAll(".method")];
  const total = document.querySelectorAll(".pair").length;

  function apply() {
    let shown = 0;
    for (const section of sections) {
      let inSection = 0;
      for (const pair of section.querySelectorAll(".pair")) {
        const isWanted =
          (!method.value || pair.dataset.methods.split(" ").includes(method.value)) &&
          (!differ.checked || pair.classList.contains("differ"));
        pair.hidden = !isWanted;
        inSection += isWanted ? 1 : 0;
      }
      section.hidden = inSection === 0 && (method.value !== "" || differ.checked);
      shown += inSection;
    }
    count.textContent = `${shown.toLocaleString("en")} of ${total.toLocaleString("en")} pairs`;
  }

  filter.hidden = false;
  filter.addEventListener("change", apply);
  apply();
})();
