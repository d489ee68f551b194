"""Moov's operations and their scopes; generated from operations.json by `make tables`."""

from typing import Literal

# fmt: off
OPERATIONS: dict[str, dict[str, tuple[str, tuple[str, ...]]]] = {
    '/accounts': {
        'GET': ('listAccounts', ('/accounts.read',)),
        'POST': ('createAccount', ('/accounts.write',)),
    },
    '/accounts/{accountID}': {
        'DELETE': ('disconnectAccount', ('/accounts/{accountID}/profile.disconnect',)),
        'GET': ('getAccount', ('/accounts/{accountID}/profile.read',)),
        'PATCH': ('updateAccount', ('/accounts/{accountID}/profile.write',)),
    },
    '/accounts/{accountID}/adjustments': {
        'GET': ('listAdjustments', ('/accounts/{accountID}/wallets.read',)),
    },
    '/accounts/{accountID}/adjustments/{adjustmentID}': {
        'GET': ('getAdjustment', ('/accounts/{accountID}/wallets.read',)),
    },
    '/accounts/{accountID}/apple-pay/domains': {
        'GET': ('getApplePayMerchantDomains', ('/accounts/{accountID}/apple-pay.read',)),
        'PATCH': ('updateApplePayMerchantDomains', ('/accounts/{accountID}/apple-pay.write',)),
        'POST': ('registerApplePayMerchantDomains', ('/accounts/{accountID}/apple-pay.write',)),
    },
    '/accounts/{accountID}/apple-pay/sessions': {
        'POST': ('createApplePaySession', ('/accounts/{accountID}/apple-pay.write',)),
    },
    '/accounts/{accountID}/apple-pay/tokens': {
        'POST': ('linkApplePayToken', ('/accounts/{accountID}/cards.write',)),
    },
    '/accounts/{accountID}/bank-accounts': {
        'GET': ('listBankAccounts', ('/accounts/{accountID}/bank-accounts.read',)),
        'POST': ('linkBankAccount', ('/accounts/{accountID}/bank-accounts.write',)),
    },
    '/accounts/{accountID}/bank-accounts/{bankAccountID}': {
        'DELETE': ('disableBankAccount', ('/accounts/{accountID}/bank-accounts.write',)),
        'GET': ('getBankAccount', ('/accounts/{accountID}/bank-accounts.read',)),
    },
    '/accounts/{accountID}/bank-accounts/{bankAccountID}/micro-deposits': {
        'POST': ('initiateMicroDeposits', ('/accounts/{accountID}/bank-accounts.write',)),
        'PUT': ('completeMicroDeposits', ('/accounts/{accountID}/bank-accounts.write',)),
    },
    '/accounts/{accountID}/bank-accounts/{bankAccountID}/verify': {
        'GET': ('getBankAccountVerification', ('/accounts/{accountID}/bank-accounts.read',)),
        'POST': ('initiateBankAccountVerification', ('/accounts/{accountID}/bank-accounts.write',)),
        'PUT': ('completeBankAccountVerification', ('/accounts/{accountID}/bank-accounts.write',)),
    },
    '/accounts/{accountID}/branding': {
        'GET': ('getBrand', ('/accounts/{accountID}/branding.read',)),
        'POST': ('createBrand', ('/accounts/{accountID}/branding.write',)),
        'PUT': ('upsertBrand', ('/accounts/{accountID}/branding.write',)),
    },
    '/accounts/{accountID}/capabilities': {
        'GET': ('listCapabilities', ('/accounts/{accountID}/capabilities.read',)),
        'POST': ('requestCapabilities', ('/accounts/{accountID}/capabilities.write',)),
    },
    '/accounts/{accountID}/capabilities/{capabilityID}': {
        'DELETE': ('disableCapability', ('/accounts/{accountID}/capabilities.write',)),
        'GET': ('getCapability', ('/accounts/{accountID}/capabilities.read',)),
    },
    '/accounts/{accountID}/cards': {
        'GET': ('listCards', ('/accounts/{accountID}/cards.read',)),
        'POST': ('linkCard', ('/accounts/{accountID}/cards.write',)),
    },
    '/accounts/{accountID}/cards/{cardID}': {
        'DELETE': ('disableCard', ('/accounts/{accountID}/cards.write',)),
        'GET': ('getCard', ('/accounts/{accountID}/cards.read',)),
        'PATCH': ('updateCard', ('/accounts/{accountID}/cards.write',)),
    },
    '/accounts/{accountID}/connected-accounts': {
        'GET': ('listConnectedAccountsForAccount', ('/accounts.read',)),
    },
    '/accounts/{accountID}/connections': {
        'POST': ('connectAccount', ()),
    },
    '/accounts/{accountID}/countries': {
        'GET': ('getAccountCountries', ('/accounts/{accountID}/profile.read',)),
        'PUT': ('assignAccountCountries', ('/accounts/{accountID}/profile.write',)),
    },
    '/accounts/{accountID}/disputes': {
        'GET': ('listDisputes', ('/accounts/{accountID}/transfers.read',)),
    },
    '/accounts/{accountID}/disputes/{disputeID}': {
        'GET': ('getDispute', ('/accounts/{accountID}/transfers.read',)),
    },
    '/accounts/{accountID}/disputes/{disputeID}/accept': {
        'POST': ('acceptDispute', ('/accounts/{accountID}/transfers.read',)),
    },
    '/accounts/{accountID}/disputes/{disputeID}/evidence': {
        'GET': ('listDisputeEvidence', ('/accounts/{accountID}/transfers.read',)),
    },
    '/accounts/{accountID}/disputes/{disputeID}/evidence-file': {
        'POST': ('uploadDisputeEvidenceFile', ('/accounts/{accountID}/transfers.write',)),
    },
    '/accounts/{accountID}/disputes/{disputeID}/evidence-text': {
        'POST': ('uploadDisputeEvidenceText', ('/accounts/{accountID}/transfers.write',)),
    },
    '/accounts/{accountID}/disputes/{disputeID}/evidence/submit': {
        'POST': ('submitDisputeEvidence', ('/accounts/{accountID}/transfers.write',)),
    },
    '/accounts/{accountID}/disputes/{disputeID}/evidence/{evidenceID}': {
        'DELETE': ('deleteDisputeEvidenceFile', ('/accounts/{accountID}/transfers.write',)),
        'GET': ('getDisputeEvidence', ('/accounts/{accountID}/transfers.read',)),
        'PATCH': ('updateDisputeEvidence', ('/accounts/{accountID}/transfers.write',)),
    },
    '/accounts/{accountID}/disputes/{disputeID}/evidence/{evidenceID}/data': {
        'GET': ('getDisputeEvidenceData', ('/accounts/{accountID}/transfers.read',)),
    },
    '/accounts/{accountID}/fee-plan-agreements': {
        'GET': ('listFeePlanAgreements', ('/accounts/{accountID}/profile.read',)),
        'POST': ('createFeePlanAgreements', ('/accounts/{accountID}/profile.write',)),
    },
    '/accounts/{accountID}/fee-plans': {
        'GET': ('listFeePlans', ('/accounts/{accountID}/profile.read',)),
    },
    '/accounts/{accountID}/fee-revenue': {
        'GET': ('listFeeRevenue', ('/accounts/{accountID}/profile.read',)),
    },
    '/accounts/{accountID}/fees': {
        'GET': ('retrieveFees', ('/accounts/{accountID}/transfers.read',)),
    },
    '/accounts/{accountID}/fees/.fetch': {
        'POST': ('listFeesFetch', ('/accounts/{accountID}/transfers.read',)),
    },
    '/accounts/{accountID}/files': {
        'GET': ('listFiles', ('/accounts/{accountID}/files.read',)),
        'POST': ('uploadFile', ('/accounts/{accountID}/files.write',)),
    },
    '/accounts/{accountID}/files/{fileID}': {
        'GET': ('getFileDetails', ('/accounts/{accountID}/files.read',)),
    },
    '/accounts/{accountID}/google-pay/tokens': {
        'POST': ('linkGooglePayToken', ('/accounts/{accountID}/cards.write',)),
    },
    '/accounts/{accountID}/images': {
        'GET': ('listImageMetadata', ()),
        'POST': ('uploadImage', ()),
    },
    '/accounts/{accountID}/images/{imageID}': {
        'DELETE': ('deleteImage', ()),
        'GET': ('getImageMetadata', ()),
        'PUT': ('updateImage', ()),
    },
    '/accounts/{accountID}/images/{imageID}/metadata': {
        'PUT': ('updateImageMetadata', ()),
    },
    '/accounts/{accountID}/invoices': {
        'GET': ('listInvoices', ('/accounts/{accountID}/invoices.read',)),
        'POST': ('createInvoice', ('/accounts/{accountID}/invoices.write',)),
    },
    '/accounts/{accountID}/invoices/{invoiceID}': {
        'DELETE': ('deleteInvoice', ('/accounts/{accountID}/invoices.write',)),
        'GET': ('getInvoice', ('/accounts/{accountID}/invoices.read',)),
        'PATCH': ('updateInvoice', ('/accounts/{accountID}/invoices.write',)),
    },
    '/accounts/{accountID}/invoices/{invoiceID}/payments': {
        'GET': ('listInvoicePayments', ('/accounts/{accountID}/invoices.read',)),
        'POST': ('createInvoicePayment', ('/accounts/{accountID}/invoices.write',)),
    },
    '/accounts/{accountID}/merchant-agreement': {
        'GET': ('getMerchantProcessingAgreement', ('/accounts/{accountID}/profile.read',)),
    },
    '/accounts/{accountID}/partner-pricing-agreements': {
        'GET': ('listPartnerPricingAgreements', ('/accounts/{accountID}/profile.read',)),
    },
    '/accounts/{accountID}/payment-links': {
        'GET': ('listPaymentLinks', ('/accounts/{accountID}/transfers.read',)),
        'POST': ('createPaymentLink', ('/accounts/{accountID}/transfers.write',)),
    },
    '/accounts/{accountID}/payment-links/{paymentLinkCode}': {
        'DELETE': ('disablePaymentLink', ('/accounts/{accountID}/transfers.write',)),
        'GET': ('getPaymentLink', ('/accounts/{accountID}/transfers.read',)),
        'PATCH': ('updatePaymentLink', ('/accounts/{accountID}/transfers.write',)),
    },
    '/accounts/{accountID}/payment-links/{paymentLinkCode}/qrcode': {
        'GET': ('getPaymentLinkQRCode', ('/accounts/{accountID}/transfers.write',)),
    },
    '/accounts/{accountID}/payment-methods': {
        'GET': ('listPaymentMethods', ('/accounts/{accountID}/payment-methods.read',)),
    },
    '/accounts/{accountID}/payment-methods/{paymentMethodID}': {
        'GET': ('getPaymentMethod', ('/accounts/{accountID}/payment-methods.read',)),
    },
    '/accounts/{accountID}/products': {
        'GET': ('listProducts', ()),
        'POST': ('createProduct', ()),
    },
    '/accounts/{accountID}/products/{productID}': {
        'DELETE': ('disableProduct', ()),
        'GET': ('getProduct', ()),
        'PUT': ('updateProduct', ()),
    },
    '/accounts/{accountID}/representatives': {
        'GET': ('listRepresentatives', ('/accounts/{accountID}/representatives.read',)),
        'POST': ('createRepresentative', ('/accounts/{accountID}/representatives.write',)),
    },
    '/accounts/{accountID}/representatives/{representativeID}': {
        'DELETE': ('deleteRepresentative', ('/accounts/{accountID}/representatives.write',)),
        'GET': ('getRepresentative', ('/accounts/{accountID}/representatives.read',)),
        'PATCH': ('updateRepresentative', ('/accounts/{accountID}/representatives.write',)),
    },
    '/accounts/{accountID}/residuals': {
        'GET': ('listResiduals', ('/accounts/{accountID}/profile.read',)),
    },
    '/accounts/{accountID}/residuals/{residualID}': {
        'GET': ('getResidual', ('/accounts/{accountID}/profile.read',)),
    },
    '/accounts/{accountID}/residuals/{residualID}/fees': {
        'GET': ('listResidualFees', ('/accounts/{accountID}/profile.read',)),
    },
    '/accounts/{accountID}/resolution-links': {
        'GET': ('listResolutionLinks', ('/accounts/{accountID}/profile.read',)),
        'POST': ('createResolutionLink', ('/accounts/{accountID}/files.write', '/accounts/{accountID}/profile.write', '/accounts/{accountID}/representatives.write')),
    },
    '/accounts/{accountID}/resolution-links/{resolutionLinkCode}': {
        'DELETE': ('disableResolutionLink', ('/accounts/{accountID}/profile.write',)),
        'GET': ('getResolutionLink', ('/accounts/{accountID}/profile.read',)),
    },
    '/accounts/{accountID}/schedules': {
        'GET': ('listSchedules', ('/accounts/{accountID}/transfers.read',)),
        'POST': ('createSchedule', ('/accounts/{accountID}/transfers.write',)),
    },
    '/accounts/{accountID}/schedules/{scheduleID}': {
        'DELETE': ('cancelSchedule', ('/accounts/{accountID}/transfers.write',)),
        'GET': ('getSchedules', ('/accounts/{accountID}/transfers.read',)),
        'PUT': ('updateSchedule', ('/accounts/{accountID}/transfers.write',)),
    },
    '/accounts/{accountID}/schedules/{scheduleID}/occurrences/{occurrenceFilter}': {
        'GET': ('getScheduledOccurrence', ('/accounts/{accountID}/transfers.read',)),
    },
    '/accounts/{accountID}/statements': {
        'GET': ('listStatements', ('/accounts/{accountID}/profile.read',)),
    },
    '/accounts/{accountID}/statements/{statementID}': {
        'GET': ('getStatement', ('/accounts/{accountID}/profile.read',)),
    },
    '/accounts/{accountID}/sweep-configs': {
        'GET': ('listSweepConfigs', ('/accounts/{accountID}/wallets.read',)),
        'POST': ('createSweepConfig', ('/accounts/{accountID}/wallets.write',)),
    },
    '/accounts/{accountID}/sweep-configs/{sweepConfigID}': {
        'GET': ('getSweepConfig', ('/accounts/{accountID}/wallets.read',)),
        'PATCH': ('updateSweepConfig', ('/accounts/{accountID}/wallets.write',)),
    },
    '/accounts/{accountID}/terminal-applications': {
        'GET': ('listAccountTerminalApplications', ('/accounts/{accountID}/terminal-applications.read',)),
        'POST': ('linkAccountTerminalApplication', ('/accounts/{accountID}/terminal-applications.write',)),
    },
    '/accounts/{accountID}/terminal-applications/{terminalApplicationID}': {
        'GET': ('getAccountTerminalApplication', ('/accounts/{accountID}/terminal-applications.read',)),
    },
    '/accounts/{accountID}/terminal-applications/{terminalApplicationID}/configuration': {
        'GET': ('getTerminalConfiguration', ('/accounts/{accountID}/terminal-configuration.read',)),
    },
    '/accounts/{accountID}/tickets': {
        'GET': ('listTickets', ('/accounts/{accountID}/tickets.read',)),
        'POST': ('createTicket', ('/accounts/{accountID}/tickets.write',)),
    },
    '/accounts/{accountID}/tickets/{ticketID}': {
        'GET': ('getTicket', ('/accounts/{accountID}/tickets.read',)),
        'PATCH': ('updateTicket', ('/accounts/{accountID}/tickets.write',)),
    },
    '/accounts/{accountID}/tickets/{ticketID}/messages': {
        'GET': ('listTicketMessages', ('/accounts/{accountID}/tickets.read',)),
    },
    '/accounts/{accountID}/transfer-config': {
        'GET': ('getTransferConfig', ()),
        'POST': ('createTransferConfig', ()),
        'PUT': ('updateTransferConfig', ()),
    },
    '/accounts/{accountID}/transfer-options': {
        'POST': ('createTransferOptions', ('/accounts/{accountID}/transfers.write',)),
    },
    '/accounts/{accountID}/transfers': {
        'GET': ('listTransfers', ('/accounts/{accountID}/transfers.read',)),
        'POST': ('createTransfer', ('/accounts/{accountID}/transfers.write',)),
    },
    '/accounts/{accountID}/transfers/.fetch': {
        'POST': ('batchGetTransfers', ('/accounts/{accountID}/transfers.read',)),
    },
    '/accounts/{accountID}/transfers/{transferID}': {
        'GET': ('getTransfer', ('/accounts/{accountID}/transfers.read',)),
        'PATCH': ('updateTransfer', ('/accounts/{accountID}/transfers.write',)),
    },
    '/accounts/{accountID}/transfers/{transferID}/cancellations': {
        'GET': ('listCancellations', ('/accounts/{accountID}/transfers.read',)),
        'POST': ('createCancellation', ('/accounts/{accountID}/transfers.write',)),
    },
    '/accounts/{accountID}/transfers/{transferID}/cancellations/{cancellationID}': {
        'GET': ('getCancellation', ('/accounts/{accountID}/transfers.read',)),
    },
    '/accounts/{accountID}/transfers/{transferID}/refunds': {
        'GET': ('listRefunds', ('/accounts/{accountID}/transfers.read',)),
        'POST': ('initiateRefund', ('/accounts/{accountID}/transfers.write',)),
    },
    '/accounts/{accountID}/transfers/{transferID}/refunds/{refundID}': {
        'GET': ('getRefund', ('/accounts/{accountID}/transfers.read',)),
    },
    '/accounts/{accountID}/transfers/{transferID}/reversals': {
        'POST': ('createReversal', ('/accounts/{accountID}/transfers.write',)),
    },
    '/accounts/{accountID}/underwriting': {
        'GET': ('getUnderwriting', ('/accounts/{accountID}/profile.read',)),
        'POST': ('saveUnderwriting', ('/accounts/{accountID}/profile.write',)),
        'PUT': ('upsertUnderwriting', ('/accounts/{accountID}/profile.write',)),
    },
    '/accounts/{accountID}/wallets': {
        'GET': ('listWallets', ('/accounts/{accountID}/wallets.read',)),
        'POST': ('createWallet', ('/accounts/{accountID}/wallets.write',)),
    },
    '/accounts/{accountID}/wallets/{walletID}': {
        'GET': ('getWallet', ('/accounts/{accountID}/wallets.read',)),
        'PATCH': ('updateWallet', ('/accounts/{accountID}/wallets.write',)),
    },
    '/accounts/{accountID}/wallets/{walletID}/sweeps': {
        'GET': ('listSweeps', ('/accounts/{accountID}/wallets.read',)),
    },
    '/accounts/{accountID}/wallets/{walletID}/sweeps/{sweepID}': {
        'GET': ('getSweep', ('/accounts/{accountID}/wallets.read',)),
    },
    '/accounts/{accountID}/wallets/{walletID}/transactions': {
        'GET': ('listWalletTransactions', ('/accounts/{accountID}/wallets.read',)),
    },
    '/accounts/{accountID}/wallets/{walletID}/transactions/{transactionID}': {
        'GET': ('getWalletTransaction', ('/accounts/{accountID}/wallets.read',)),
    },
    '/avatars/{uniqueID}': {
        'GET': ('getAvatar', ('/profile-enrichment.read',)),
    },
    '/card-metadata': {
        'POST': ('getCardMetadata', ('/card-metadata.read',)),
    },
    '/debug/end-to-end-token': {
        'POST': ('testEndToEndToken', ('/ping.read',)),
    },
    '/end-to-end-keys': {
        'POST': ('generateEndToEndKey', ()),
    },
    '/enrichment/address': {
        'GET': ('getEnrichmentAddress', ('/profile-enrichment.read',)),
    },
    '/enrichment/profile': {
        'GET': ('getEnrichmentProfile', ('/profile-enrichment.read',)),
    },
    '/event-types': {
        'GET': ('listEventTypes', ()),
    },
    '/images/{publicID}': {
        'GET': ('getPublicImage', ()),
    },
    '/industries': {
        'GET': ('listIndustries', ('/profile-enrichment.read',)),
    },
    '/institutions': {
        'GET': ('searchInstitutions', ('/institutions.read',)),
    },
    '/institutions/ach/search': {
        'GET': ('listInstitutions', ('/fed.read',)),
    },
    '/issuing/{accountID}/authorizations': {
        'GET': ('listIssuedCardAuthorizations', ('/accounts/{accountID}/issued-cards.read',)),
    },
    '/issuing/{accountID}/authorizations/{authorizationID}': {
        'GET': ('getIssuedCardAuthorization', ('/accounts/{accountID}/issued-cards.read',)),
    },
    '/issuing/{accountID}/authorizations/{authorizationID}/events': {
        'GET': ('listIssuedCardAuthorizationEvents', ('/accounts/{accountID}/issued-cards.read',)),
    },
    '/issuing/{accountID}/card-transactions': {
        'GET': ('listIssuedCardTransactions', ('/accounts/{accountID}/issued-cards.read',)),
    },
    '/issuing/{accountID}/card-transactions/{cardTransactionID}': {
        'GET': ('getIssuedCardTransaction', ('/accounts/{accountID}/issued-cards.read',)),
    },
    '/issuing/{accountID}/cards': {
        'GET': ('listIssuedCards', ('/accounts/{accountID}/issued-cards.read',)),
        'POST': ('requestCard', ('/accounts/{accountID}/issued-cards.write',)),
    },
    '/issuing/{accountID}/cards/{issuedCardID}': {
        'GET': ('getIssuedCard', ('/accounts/{accountID}/issued-cards.read',)),
        'PATCH': ('updateIssuedCard', ('/accounts/{accountID}/issued-cards.write',)),
    },
    '/issuing/{accountID}/cards/{issuedCardID}/details': {
        'GET': ('getFullIssuedCard', ('/accounts/{accountID}/issued-cards.read-secure',)),
    },
    '/onboarding-invites': {
        'GET': ('listOnboardingInvites', ('/accounts.read',)),
        'POST': ('createOnboardingInvite', ('/accounts.write',)),
    },
    '/onboarding-invites/{code}': {
        'DELETE': ('revokeOnboardingInvite', ('/accounts.write',)),
        'GET': ('getOnboardingInvite', ('/accounts.read',)),
    },
    '/ping': {
        'GET': ('ping', ('/ping.read',)),
    },
    '/receipts': {
        'GET': ('listReceipts', ('/accounts/{accountID}/transfers.read',)),
        'POST': ('createReceipts', ('/accounts/{accountID}/transfers.write',)),
    },
    '/terminal-applications': {
        'GET': ('listTerminalApplications', ('/terminal-applications.read',)),
        'POST': ('createTerminalApplication', ('/terminal-applications.write',)),
    },
    '/terminal-applications/{terminalApplicationID}': {
        'DELETE': ('deleteTerminalApplication', ('/terminal-applications.write',)),
        'GET': ('getTerminalApplication', ('/terminal-applications.read',)),
    },
    '/terminal-applications/{terminalApplicationID}/versions': {
        'POST': ('createTerminalApplicationVersion', ('/terminal-applications.write',)),
    },
    '/tos-token': {
        'GET': ('getTermsOfServiceToken', ()),
    },
    '/transfers/{transferID}/risk-outcomes': {
        'GET': ('getTransferRiskOutcomes', ('/accounts/{accountID}/transfers.read',)),
    },
    '/underwriting/{accountID}/deposit-accounts': {
        'POST': ('createDepositAccount', ('/accounts/{accountID}/profile.write',)),
    },
    '/webhooks': {
        'GET': ('listWebhooks', ()),
        'POST': ('createWebhook', ()),
    },
    '/webhooks/{webhookID}': {
        'DELETE': ('disableWebhook', ()),
        'GET': ('getWebhook', ()),
        'PUT': ('updateWebhook', ()),
    },
    '/webhooks/{webhookID}/ping': {
        'POST': ('pingWebhook', ()),
    },
    '/webhooks/{webhookID}/secret': {
        'GET': ('getWebhookSecret', ()),
    },
}
OperationName = Literal[
    'listAccounts',
    'createAccount',
    'disconnectAccount',
    'getAccount',
    'updateAccount',
    'listAdjustments',
    'getAdjustment',
    'getApplePayMerchantDomains',
    'updateApplePayMerchantDomains',
    'registerApplePayMerchantDomains',
    'createApplePaySession',
    'linkApplePayToken',
    'listBankAccounts',
    'linkBankAccount',
    'disableBankAccount',
    'getBankAccount',
    'initiateMicroDeposits',
    'completeMicroDeposits',
    'getBankAccountVerification',
    'initiateBankAccountVerification',
    'completeBankAccountVerification',
    'getBrand',
    'createBrand',
    'upsertBrand',
    'listCapabilities',
    'requestCapabilities',
    'disableCapability',
    'getCapability',
    'listCards',
    'linkCard',
    'disableCard',
    'getCard',
    'updateCard',
    'listConnectedAccountsForAccount',
    'connectAccount',
    'getAccountCountries',
    'assignAccountCountries',
    'listDisputes',
    'getDispute',
    'acceptDispute',
    'listDisputeEvidence',
    'uploadDisputeEvidenceFile',
    'uploadDisputeEvidenceText',
    'submitDisputeEvidence',
    'deleteDisputeEvidenceFile',
    'getDisputeEvidence',
    'updateDisputeEvidence',
    'getDisputeEvidenceData',
    'listFeePlanAgreements',
    'createFeePlanAgreements',
    'listFeePlans',
    'listFeeRevenue',
    'retrieveFees',
    'listFeesFetch',
    'listFiles',
    'uploadFile',
    'getFileDetails',
    'linkGooglePayToken',
    'listImageMetadata',
    'uploadImage',
    'deleteImage',
    'getImageMetadata',
    'updateImage',
    'updateImageMetadata',
    'listInvoices',
    'createInvoice',
    'deleteInvoice',
    'getInvoice',
    'updateInvoice',
    'listInvoicePayments',
    'createInvoicePayment',
    'getMerchantProcessingAgreement',
    'listPartnerPricingAgreements',
    'listPaymentLinks',
    'createPaymentLink',
    'disablePaymentLink',
    'getPaymentLink',
    'updatePaymentLink',
    'getPaymentLinkQRCode',
    'listPaymentMethods',
    'getPaymentMethod',
    'listProducts',
    'createProduct',
    'disableProduct',
    'getProduct',
    'updateProduct',
    'listRepresentatives',
    'createRepresentative',
    'deleteRepresentative',
    'getRepresentative',
    'updateRepresentative',
    'listResiduals',
    'getResidual',
    'listResidualFees',
    'listResolutionLinks',
    'createResolutionLink',
    'disableResolutionLink',
    'getResolutionLink',
    'listSchedules',
    'createSchedule',
    'cancelSchedule',
    'getSchedules',
    'updateSchedule',
    'getScheduledOccurrence',
    'listStatements',
    'getStatement',
    'listSweepConfigs',
    'createSweepConfig',
    'getSweepConfig',
    'updateSweepConfig',
    'listAccountTerminalApplications',
    'linkAccountTerminalApplication',
    'getAccountTerminalApplication',
    'getTerminalConfiguration',
    'listTickets',
    'createTicket',
    'getTicket',
    'updateTicket',
    'listTicketMessages',
    'getTransferConfig',
    'createTransferConfig',
    'updateTransferConfig',
    'createTransferOptions',
    'listTransfers',
    'createTransfer',
    'batchGetTransfers',
    'getTransfer',
    'updateTransfer',
    'listCancellations',
    'createCancellation',
    'getCancellation',
    'listRefunds',
    'initiateRefund',
    'getRefund',
    'createReversal',
    'getUnderwriting',
    'saveUnderwriting',
    'upsertUnderwriting',
    'listWallets',
    'createWallet',
    'getWallet',
    'updateWallet',
    'listSweeps',
    'getSweep',
    'listWalletTransactions',
    'getWalletTransaction',
    'getAvatar',
    'getCardMetadata',
    'testEndToEndToken',
    'generateEndToEndKey',
    'getEnrichmentAddress',
    'getEnrichmentProfile',
    'listEventTypes',
    'getPublicImage',
    'listIndustries',
    'searchInstitutions',
    'listInstitutions',
    'listIssuedCardAuthorizations',
    'getIssuedCardAuthorization',
    'listIssuedCardAuthorizationEvents',
    'listIssuedCardTransactions',
    'getIssuedCardTransaction',
    'listIssuedCards',
    'requestCard',
    'getIssuedCard',
    'updateIssuedCard',
    'getFullIssuedCard',
    'listOnboardingInvites',
    'createOnboardingInvite',
    'revokeOnboardingInvite',
    'getOnboardingInvite',
    'ping',
    'listReceipts',
    'createReceipts',
    'listTerminalApplications',
    'createTerminalApplication',
    'deleteTerminalApplication',
    'getTerminalApplication',
    'createTerminalApplicationVersion',
    'getTermsOfServiceToken',
    'getTransferRiskOutcomes',
    'createDepositAccount',
    'listWebhooks',
    'createWebhook',
    'disableWebhook',
    'getWebhook',
    'updateWebhook',
    'pingWebhook',
    'getWebhookSecret',
]
