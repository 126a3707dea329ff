// Accessible roles for the navigation of Streamlit: its list contains sections instead of items, so that screen readers
// count wrongly. Each section becomes a group with the name of its heading; the lists are marked as layout.

let observer = null;

export default function () {
  const sidebar = document.querySelector("[data-testid=stSidebar]");
  observer?.disconnect();
  if (!sidebar) return;
  observer = new MutationObserver(labelNavigation);
  observer.observe(sidebar, { childList: true, subtree: true });
  labelNavigation();
  return () => observer.disconnect();
}

function labelNavigation() {
  document.querySelectorAll("[data-testid=stSidebarNavItems]").forEach((list) => {
    list.setAttribute("role", "none");
    list.querySelectorAll("li").forEach((item) => item.setAttribute("role", "none"));
    for (const group of list.children) {
      const heading = group.querySelector("header, [data-testid=stNavSectionHeader]");
      if (!heading) continue;
      group.setAttribute("role", "group");
      group.setAttribute("aria-label", heading.textContent.trim());
    }
  });
}
