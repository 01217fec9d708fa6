"""What applicants write: six sentences per purpose, three from calm and three from strained applicants."""

_BY_PURPOSE = {
    "debt_consolidation": (
        "Roll two card balances into one payment.",
        "Lower my rate by combining balances.",
        "One fixed payment instead of four cards.",
        "Behind on cards, need one lower payment.",
        "Card interest eats my paycheck every month.",
        "Collectors calling, want to settle all cards.",
    ),
    "home_improvement": (
        "New kitchen cabinets and counter.",
        "Insulate the attic before winter.",
        "Replace the deck, quote attached.",
        "Roof leaks and savings are gone.",
        "Furnace broke, cannot wait for spring.",
        "Urgent plumbing, no cash left this month.",
    ),
    "medical": (
        "Dental implants, planned for fall.",
        "Eye surgery not covered by my plan.",
        "Braces for my daughter.",
        "Hospital bill is overdue.",
        "Out of work since surgery, bills piling up.",
        "Emergency room bill went to collections.",
    ),
    "car": (
        "Used car for the commute.",
        "Trade in for a safer family car.",
        "Second car, good price from a neighbor.",
        "Car repossessed, need one to keep my job.",
        "Transmission failed and rent is due.",
        "Repairs on an old car, short on cash.",
    ),
    "education": (
        "Evening classes for a nursing degree.",
        "Tuition for the last semester.",
        "Certification paid back by my employer.",
        "Tuition past due, may be dropped.",
        "Lost my job, retraining as a welder.",
        "Need fees now, loan office turned me down.",
    ),
    "business": (
        "Second food truck, first is profitable.",
        "Stock for the holiday season.",
        "Tools for a new contract.",
        "Cover payroll until a client pays.",
        "Sales are down, need to pay suppliers.",
        "Back taxes of my shop.",
    ),
    "other": (
        "Wedding in June.",
        "Moving to a bigger apartment.",
        "Family trip we planned for years.",
        "Behind on rent, need help.",
        "Unexpected expenses, paycheck to paycheck.",
        "Help a relative who lost work.",
    ),
}

PURPOSES = tuple(_BY_PURPOSE)
# Index: six times the purpose, plus three if strained, plus the sentence.
NARRATIVES = tuple(sentence for sentences in _BY_PURPOSE.values() for sentence in sentences)
